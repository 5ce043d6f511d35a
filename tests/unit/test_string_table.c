/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/string_table.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct string_table *table;

static void set_up(void)
{
	cr_assert_eq(string_table_new(&table), 0);
}

static void tear_down(void)
{
	string_table_free(table);
}

static u32 intern(const char *text)
{
	u32 id = ~0u;

	cr_assert_eq(string_table_intern(table, text, &id), 0);
	return id;
}

static const char *cleaned(const char *text)
{
	return string_table_at(table, intern(text));
}

TestSuite(string_table, .init = set_up, .fini = tear_down);

Test(string_table, the_empty_string_is_there_from_the_start)
{
	cr_assert_str_eq(string_table_at(table, STRING_EMPTY), "");
	cr_assert_eq(intern(""), STRING_EMPTY);
}

Test(string_table, the_same_text_has_the_same_id)
{
	char copy[] = "main";

	cr_assert_eq(intern("main"), intern(copy));
	cr_assert_neq(intern("main"), intern("main2"));
	cr_assert_neq(intern("eightchr"), intern("eightchr\x01"));
}

Test(string_table, text_stays_where_it_is_while_the_table_grows)
{
	const char *first = cleaned("first");
	char name[32];

	for (int i = 0; i < 200000; i++) {
		snprintf(name, sizeof(name), "name_%d", i);
		intern(name);
	}
	cr_assert_eq(cleaned("first"), first);
	cr_assert_str_eq(cleaned("name_123456"), "name_123456");
}

Test(string_table, control_characters_become_question_marks)
{
	cr_assert_str_eq(cleaned("a\nb\x1b[31m\x7f"), "a?b?[31m?");
	cr_assert_str_eq(cleaned("\xc2\x9b"), "?"); /* U+009B, CSI in one character */
}

Test(string_table, bytes_that_are_not_utf8_become_the_replacement_character)
{
	cr_assert_str_eq(cleaned("caf\xe9"), "caf\xef\xbf\xbd");
	cr_assert_str_eq(cleaned("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* a surrogate */
	cr_assert_str_eq(cleaned("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd"); /* an overlong / */
}

Test(string_table, names_in_any_script_stay_as_they_are)
{
	cr_assert_str_eq(cleaned("größe"), "größe");
	cr_assert_str_eq(cleaned("计算🐍"), "计算🐍");
}

Test(string_table, texts_that_clean_to_the_same_are_one)
{
	cr_assert_eq(intern("a\nb"), intern("a\tb"));
	cr_assert_eq(intern("a\nb"), intern("a?b"));
}

Test(string_table, a_string_larger_than_a_chunk_is_kept_whole)
{
	_cleanup_(free) char *big = malloc(1000001);

	memset(big, 'x', 1000000);
	big[1000000] = 0;
	u32 id = intern(big);
	cr_assert_eq(strlen(string_table_at(table, id)), 1000000);
	cr_assert_eq(intern(big), id);
	cr_assert_geq(string_table_bytes(table), 1000000);
}

Test(string_table, the_bound_is_met_with_enospc_and_the_rest_still_works)
{
	static char big[(1 << 20) + 1];
	int err = 0, cnt = 0;
	u32 id, first = intern("first");

	memset(big, 'x', sizeof(big) - 1);
	for (; !err && cnt < 1000; cnt++) {
		snprintf(big, 16, "%08d", cnt);
		big[8] = 'x';
		err = string_table_intern(table, big, &id);
	}
	cr_assert_eq(err, -ENOSPC);
	cr_assert_eq(cnt, 256); /* 255 of 1 MiB fit in 256 MiB, what they take besides included */
	cr_assert_eq(intern("first"), first);
}
