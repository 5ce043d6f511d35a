/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/dump_options.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static int parse(const char *const *words, struct dump_options *ret, struct strbuf *error)
{
	int argc = 0;

	while (words[argc])
		argc++;
	return dump_options_parse(argc, (char **)words, ret, error);
}

#define PARSE(ret, error, ...) parse((const char *const[]){"dump", __VA_ARGS__, NULL}, ret, error)

Test(dump_options, pyflames_format_is_the_default_and_pays_for_nothing_else)
{
	struct dump_options options;
	STRBUF(error);

	cr_assert_eq(PARSE(&options, &error, "-p", "12"), 0, "%s", error.at);
	cr_expect_eq(options.pid, 12);
	cr_expect_str_eq(options.format->name, "pyflame");
	cr_expect_eq(options.snapshot.native, DUMP_NATIVE_NONE);
	cr_expect(options.snapshot.stacks_only);
}

Test(dump_options, a_pid_may_stand_alone_but_there_is_one)
{
	struct dump_options options;
	STRBUF(error);

	cr_assert_eq(PARSE(&options, &error, "12"), 0);
	cr_expect_eq(options.pid, 12);
	cr_expect_eq(PARSE(&options, &error, "12", "-p", "12"), 0);
	cr_expect_eq(PARSE(&options, &error, "12", "-p", "13"), -EINVAL);
	cr_expect_not_null(strstr(error.at, "--children"));
	cr_expect_eq(PARSE(&options, &error, "12", "--all", "-f", "text"), -EINVAL);
	cr_expect_eq(PARSE(&options, &error, "4294967297"), -EINVAL);
	cr_expect_eq(PARSE(&options, &error, "0x12"), -EINVAL);
}

Test(dump_options, text_shows_the_innermost_native_frames_and_json_those_that_are_asked_for)
{
	static const struct {
		const char *format, *option;
		enum dump_native native;
	} rows[] = {
		{"text", "-v", DUMP_NATIVE_LAST},
		{"text", "--native", DUMP_NATIVE_ALL},
		{"text", "--no-native", DUMP_NATIVE_NONE},
		{"text", "--threads-only", DUMP_NATIVE_NONE},
		{"json", "-v", DUMP_NATIVE_NONE},
		{"json", "-n", DUMP_NATIVE_ALL},
		{"json", "--native-last", DUMP_NATIVE_LAST},
	};
	struct dump_options options;
	STRBUF(error);

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cr_assert_eq(PARSE(&options, &error, "1", "-f", rows[i].format, rows[i].option), 0, "%s", error.at);
		cr_expect_eq(options.snapshot.native, rows[i].native, "%s %s", rows[i].format, rows[i].option);
		cr_expect(!options.snapshot.stacks_only);
	}
	cr_expect_eq(PARSE(&options, &error, "1", "-f", "text", "--native", "--no-native"), -EINVAL);
}

Test(dump_options, what_pyflames_format_has_no_place_for_is_refused_not_ignored)
{
	static const char *const words[] = {"--native",	    "--kernel",	      "--locals",
					    "--asyncio",    "--threads-only", "--children",
					    "--leaf-first", "--whole",	      "--native-threads"};
	struct dump_options options;
	STRBUF(error);

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		cr_expect_eq(PARSE(&options, &error, "1", words[i]), -EINVAL, "%s", words[i]);
		cr_expect_not_null(strstr(error.at, words[i]), "%s", error.at);
		cr_expect_eq(PARSE(&options, &error, "1", words[i], "--format=text"), 0, "%s: %s", words[i], error.at);
	}
	cr_expect_eq(PARSE(&options, &error, "1", "--freeze"), 0);
	cr_expect_eq(PARSE(&options, &error, "1", "--running"), 0);
}

Test(dump_options, each_option_is_in_the_help)
{
	STRBUF(help);

	dump_options_put_help(&help);
	cr_assert(!help.failed);
	for (const struct dump_format *format = dump_formats; format->name; format++)
		cr_expect_not_null(strstr(help.at, format->name));
	for (const char *line = help.at; *line; line += strcspn(line, "\n") + 1)
		cr_expect_leq(strcspn(line, "\n"), 95, "%.*s", (int)strcspn(line, "\n"), line);
}
