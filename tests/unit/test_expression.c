/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/expression.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/strbuf.h"

/* NULL: none. Valid until the next call. */
static const char *expression(const char *source, u32 line, u32 column, u32 end_line, u32 end_column)
{
	static char text[4096];
	struct line_position at = {line, end_line, column, end_column, true};
	STRBUF(b);

	int err = expression_put(source, strlen(source), &at, &b);
	if (err) {
		cr_assert_eq(err, -ENOENT);
		cr_assert_eq(b.size, 0, "%s", b.at);
		return NULL;
	}
	strcpy(text, b.at);
	return text;
}

Test(expression, is_what_stands_between_its_columns)
{
	static const char source[] = "x = 1\nrows = [parse(x) for x in data]\n";

	cr_assert_str_eq(expression(source, 1, 0, 1, 5), "x = 1");
	cr_assert_str_eq(expression(source, 2, 8, 2, 16), "parse(x)");
	cr_assert_str_eq(expression(source, 2, 7, 2, 31), "[parse(x) for x in data]");
}

Test(expression, of_several_lines_is_joined_to_one)
{
	cr_assert_str_eq(expression("y = f(\n    a,\r\n\t b\n)\n", 1, 4, 4, 1), "f(a, b)");
	cr_assert_str_eq(expression("y = (a  +\n     b)", 1, 5, 2, 6), "a + b");
}

Test(expression, columns_are_bytes_and_a_byte_order_mark_is_none)
{
	cr_assert_str_eq(expression("\xef\xbb\xbf"
				    "\xc3\xa4 = f(\xe2\x82\xac)\n",
				    1, 5, 1, 11),
			 "f(\xe2\x82\xac)");
	cr_assert_null(expression("\xc3\xa4 = f(1)\n", 1, 1, 1, 9), "half a character");
}

Test(expression, that_is_long_is_cut_between_characters)
{
	char source[1024] = "x = '";

	for (int i = 0; i < 200; i++)
		strcat(source, "\xe2\x82\xac");
	strcat(source, "'\n");
	const char *text = expression(source, 1, 4, 1, strlen(source) - 1);
	cr_assert_leq(strlen(text), EXPRESSION_MAX + 3);
	cr_assert_eq((strlen(text) - 1 - 3) % 3, 0);
	cr_assert_str_eq(text + strlen(text) - 6, "\xe2\x82\xac\xe2\x80\xa6");
}

Test(expression, that_the_source_does_not_have_is_none)
{
	static const char source[] = "first(1)\n\tsecond(2)\n";

	cr_assert_str_eq(expression(source, 2, 1, 2, 10), "second(2)");
	cr_assert_null(expression(source, 3, 0, 3, 1), "no such line");
	cr_assert_null(expression(source, 1, 0, 9, 1));
	cr_assert_null(expression(source, 0xffffffff, 0, 0xffffffff, 1));
	cr_assert_null(expression(source, 1, 0, 1, 9), "behind the line's end");
	cr_assert_null(expression(source, 1, 8, 1, 8), "nothing");
	cr_assert_null(expression(source, 2, 1, 1, 3), "backwards");
	cr_assert_null(expression(source, 1, 5, 1, 2));
	cr_assert_null(expression("", 1, 0, 1, 1));
}

/* The file is not what was compiled. */
Test(expression, that_begins_or_ends_within_a_word_or_with_a_blank_is_none)
{
	static const char source[] = "value = other + third\n";

	cr_assert_str_eq(expression(source, 1, 8, 1, 21), "other + third");
	cr_assert_null(expression(source, 1, 9, 1, 21));
	cr_assert_null(expression(source, 1, 8, 1, 20));
	cr_assert_null(expression(source, 1, 7, 1, 21));
	cr_assert_null(expression(source, 1, 8, 1, 14));
}

Test(expression, in_no_utf8_or_behind_other_line_ends_is_none)
{
	cr_assert_null(expression("'\xe4' + f(1)\n", 1, 6, 1, 10), "latin-1");
	cr_assert_null(expression("a\rb\nf(1)\n", 2, 0, 2, 4), "CPython counts three lines");
	cr_assert_null(expression("f('\x1b[31m')\n", 1, 0, 1, 9), "a terminal's escape");
}

Test(expression, without_columns_is_none)
{
	struct line_position at = {.line = 1, .end_line = 1, .end_column = 1};
	STRBUF(b);

	cr_assert_eq(expression_put("x\n", 2, &at, &b), -ENOENT);
	cr_assert_eq(expression_put(NULL, 0, &(struct line_position){1, 1, 0, 1, true}, &b), -ENOENT);
}
