/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* decode_otlp.c checks the protocol's rules whenever it decodes: indices, first rows, orphans, twins, identities. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "build_profile.h"
#include "decode_otlp.h"
#include "folded_lines.h"
#include "format/format.h"

static const struct view all = {.lines = true, .pids = true, .threads = true};

static const char input[] = "python3 (10);@main (10);<module> (a.py:1);f (a.py:3);deflate (libz.so.1);read_[k] 4\n"
			    "python3 (10);@pool (12);f (a.py:3);[unknown: code-gone] 2\n"
			    "python3 (10);@pool (12);read (libc.so.6);[unmerged];g (b.py:?) 3\n"
			    "sshd (20);0x1000 (sshd) 5\n"
			    "sshd (20);0x1000 (libz.so.1) 5\n"
			    "idle (30) 1\n";

static char *written(const struct built_profile *built, struct view view, size_t *ret_size)
{
	char *bytes = NULL;
	FILE *out = open_memstream(&bytes, ret_size);

	cr_assert_eq(otlp_write(built->profile, &built->truth, &view, out), 0);
	fclose(out);
	return bytes;
}

static char *text_of(const struct built_profile *built, struct view view)
{
	size_t size;
	char *bytes = written(built, view, &size), *text = otlp_text_of(bytes, size);

	free(bytes);
	return text;
}

static void expect_same_as_folded(struct view view)
{
	BUILT_PROFILE(built, input);
	size_t size, folded_size;
	char *bytes = written(&built, view, &size), *text = otlp_folded_of(bytes, size), *folded = NULL;
	FILE *out = open_memstream(&folded, &folded_size);

	cr_assert_eq(folded_write(built.profile, &built.truth, &view, out), 0);
	fclose(out);
	char *expected = folded_lines_sort(folded);
	cr_expect_str_eq(text, expected);
	free(bytes);
	free(text);
	free(folded);
	free(expected);
}

Test(otlp, says_what_the_folded_output_says)
{
	expect_same_as_folded(all);
	expect_same_as_folded((struct view){.lines = true, .pids = true});
	expect_same_as_folded((struct view){.lines = true});
}

Test(otlp, an_empty_profile_keeps_the_rules)
{
	BUILT_PROFILE(built, "");
	_cleanup_(free) char *text = text_of(&built, all);

	cr_assert(strstr(text, "type samples/count"));
}

Test(otlp, it_says_what_a_sample_stands_for_and_when_it_was_taken)
{
	BUILT_PROFILE(built, "a (1);f (x.py:1) 3\n");

	built.truth.hz = 99;
	built.truth.seconds = 2.5;
	built.truth.start_realtime_ns = 1795306044123000000;
	built.truth.lost[LOSS_RING_FULL] = 7;
	_cleanup_(free) char *text = text_of(&built, all);

	cr_assert(strstr(text, "period type cpu/nanoseconds"));
	cr_assert(strstr(text, "time 1795306044123000000 duration 2500000000 period 10101010"));
	cr_assert(strstr(text, "sample 3 process.executable.name=a process.pid=1\n"));
	cr_assert(strstr(text, "scope pyprof_bpf.lost.ring-full=7\n"));
}

Test(otlp, frames_say_what_runs_them)
{
	BUILT_PROFILE(built, "a (1);f (x.py:7);g (libz.so);h_[k] 1\n");
	_cleanup_(free) char *text = text_of(&built, all);

	cr_assert(strstr(text, "  cpython | f | x.py:7 |  | 0\n"));
	cr_assert(strstr(text, "  native | g | :0 | libz.so | "));
	cr_assert(strstr(text, "  kernel | h | :0 | [kernel.kallsyms] | "));
}

Test(otlp, mappings_say_path_and_build_id)
{
	BUILT_PROFILE(built, "a (1);f (libz.so.1);g (libz.so.1);h (libz.so.1);i (liba.so);j_[k] 1\n");

	profile_build_file(&built, "f", "/usr/lib/libz.so.1", "0123abcd");
	profile_build_file(&built, "g", "/opt/libz.so.1", "0123abcd");
	profile_build_file(&built, "h", "/opt/libz.so.1", "");
	profile_build_file(&built, "j", "", "77");
	_cleanup_(free) char *text = text_of(&built, all);

	cr_expect(strstr(text, "  native | f | :0 | /usr/lib/libz.so.1 0123abcd | "), "%s", text);
	cr_expect(strstr(text, "  native | g | :0 | /opt/libz.so.1 0123abcd | "), "%s", text);
	cr_expect(strstr(text, "  native | h | :0 | /opt/libz.so.1 | "), "%s", text);
	cr_expect(strstr(text, "  native | i | :0 | liba.so | "), "%s", text);
	cr_expect(strstr(text, "  kernel | j | :0 | [kernel.kallsyms] 77 | "), "%s", text);
}

static u32 string_id(const struct built_profile *built, const char *text)
{
	u32 id;

	cr_assert_eq(string_table_intern(built->tables.strings, text, &id), 0);
	return id;
}

Test(otlp, each_container_is_a_resource_and_the_host_is_one)
{
	BUILT_PROFILE(built, "a (1);f (x.py:1) 1\nb (2);f (x.py:1) 1\n");
	struct label_set set = {0};
	struct origin origin = *profile_origin_at(built.profile, 0);
	u32 id;

	set.values[LABEL_CONTAINER_NAME] = string_id(&built, "web");
	set.values[LABEL_K8S_POD] = string_id(&built, "web-1");
	cr_assert_eq(label_table_intern(built.tables.labels, &set, &origin.labels), 0);
	for (origin.pid = 5; origin.pid < 7; origin.pid++) {
		cr_assert_eq(profile_origin(built.profile, &origin, &id), 0);
		cr_assert_eq(profile_add(built.profile, id, profile_at(built.profile, 0)->stack, 5), 0);
	}
	_cleanup_(free) char *text = text_of(&built, all);
	const char *host = strstr(text, "resource service.name=host\n"),
		   *web = strstr(text, "resource service.name=web\nresource container.name=web\n"
				       "resource k8s.pod.name=web-1\n");

	cr_assert(host && web && host < web);
	cr_assert(strstr(web, "process.pid=5") && strstr(web, "process.pid=6") && !strstr(web, "process.pid=1\n"));
	cr_assert_null(strstr(strstr(host, "service.name") + 1, "service.name=host"));
}

Test(otlp, no_name_hides_or_breaks_out)
{
	char big[4097], hostile[5000];

	memset(big, 'n', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	snprintf(hostile, sizeof(hostile),
		 "a\x1b[2J\xe2\x80\xae (1);\xe2\x80\xaegpj (y.py:2);\xff\xfe\xc0 (z\xe2\x80\xae.py:3);%s "
		 "(w\xed\xa0\x80.py:4) 1\n",
		 big);
	BUILT_PROFILE(built, hostile);
	_cleanup_(free) char *text = text_of(&built, all); /* checks that all is UTF-8 */

	cr_assert(strstr(text, "\\u202egpj | y.py"));
	cr_assert(strstr(text, "process.executable.name=a?[2J\\u202e"));
	cr_assert(strstr(text, big));
}
