/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "sink/place_path.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/strbuf.h"

static void expect_path(const char *path, const char *name, const char *expected)
{
	STRBUF(b);

	place_path_put(path, name, "", &b);
	cr_expect_str_eq(b.at, expected);
}

Test(place_path, the_name_stands_where_the_word_is)
{
	expect_path("flames/{container}.svg", "web", "flames/web.svg");
	expect_path("{container}.pb.gz", "nginx.service", "nginx.service.pb.gz");
	expect_path("/var/x/cpu-{container}-now.folded", "host", "/var/x/cpu-host-now.folded");
}

Test(place_path, no_name_leads_out_of_the_folder_or_hides_in_it)
{
	static const struct {
		const char *name, *expected;
	} rows[] = {
		{"../../etc/passwd", "_._.._etc_passwd"},
		{"..", "_."},
		{".", "_"},
		{"", "_"},
		{"/", "_"},
		{".hidden", "_hidden"},
		{"-rf", "_rf"},
		{"a/b", "a_b"},
		{"a\nb\tc", "a_b_c"},
		{"a\x7f\xc2\x85z", "a__z"},
		{"*?", "__"},
		{"\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"gnp\xe2\x80\xae.svg", "gnp_.svg"},
		{"\xef\xbb\xbf.x", "_.x"},
		{"caf\xc3\xa9 \xf0\x9f\x90\x8d", "caf\xc3\xa9 \xf0\x9f\x90\x8d"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char expected[64];

		snprintf(expected, sizeof(expected), "d/%s.svg", rows[i].expected);
		expect_path("d/{container}.svg", rows[i].name, expected);
	}
}

Test(place_path, a_long_name_is_cut_between_characters_and_keeps_mark_and_suffix)
{
	char name[2001] = "";
	STRBUF(b);

	for (int i = 0; i < 1000; i++)
		memcpy(name + 2 * i, "\xc3\xa9", 3);
	place_path_put("d/x{container}.speedscope.json", name, "-0123456789ab", &b);
	const char *file = b.at + 2, *end = "-0123456789ab.speedscope.json";
	size_t size = strlen(file);

	/* Beside it stands ".XXXXXX" while it is written. */
	cr_expect_leq(size + 7, NAME_MAX);
	cr_expect_geq(size + 7, NAME_MAX - 1);
	cr_expect_str_eq(file + size - strlen(end), end);
	cr_expect_eq((size - strlen(end) - 1) % 2, 0, "half a character");
}

static void expect_refused(const char *path, const char *expected)
{
	STRBUF(error);

	cr_expect_eq(place_path_check(path, &error), -EINVAL, "%s", path);
	cr_expect(strstr(error.at, expected), "'%s' says: %s", path, error.at);
}

Test(place_path, words_that_are_none_and_places_for_none_are_refused)
{
	expect_refused("{pod}.svg", "{container}");
	expect_refused("{pod}.svg", "{pod}");
	expect_refused("x/{}.svg", "{}");
	expect_refused("{container}-{x}.svg", "{x}");
	expect_refused("{Container}.svg", "{Container}");
	expect_refused("{container }.svg", "{container }");
	expect_refused("{container}/x.svg", "folder");
	expect_refused("{container}{container}.svg", "once");

	char path[NAME_MAX + 1];
	memset(path, 'a', sizeof(path));
	strcpy(path + NAME_MAX - 15, "{container}.svg");
	expect_refused(path, "too little room");
}

Test(place_path, other_paths_are_as_they_were)
{
	static const char *const paths[] = {"-", "x.svg", "a{b.svg", "a}b{.svg", "", "d/x"};
	STRBUF(error);

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		cr_expect_eq(place_path_check(paths[i], &error), 0, "%s: %s", paths[i], error.at);
		cr_expect_not(place_path_is(paths[i]));
	}
	cr_expect(place_path_is("{container}"));
	cr_expect_eq(place_path_check("a{b/{container}.svg", &error), 0);
}
