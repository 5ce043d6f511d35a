/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/string.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "build_python.h"
#include "live_python.h"

#define VERSION		 0x030b07f0
#define VERSION_OF_BYTES 0x020712f0

static void check_built(const struct built_python *built, u64 address, const char *expected)
{
	struct remote_memory memory = built_memory(built);
	STRBUF(text);

	cr_assert_eq(python_string_read(&memory, &built->layout, address, &text), 0);
	cr_assert_str_eq(text.at, expected);
}

static int read_error(const struct built_python *built, u64 address)
{
	struct remote_memory memory = built_memory(built);
	STRBUF(text);

	return python_string_read(&memory, &built->layout, address, &text);
}

Test(python_string, of_each_kind_becomes_utf8)
{
	static const u16 ucs2[] = {0x438, 0x43c, 0x44f, 0x20ac};
	static const u32 ucs4[] = {0x1f40d, 'x'};
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);

	check_built(built, built_string(built, "ascii", 5, 1, true), "ascii");
	check_built(built, built_string(built, "na\xefve", 5, 1, false), "na\u00efve");
	check_built(built, built_string(built, ucs2, 4, 2, false), "\u0438\u043c\u044f\u20ac");
	check_built(built, built_string(built, ucs4, 2, 4, false), "\U0001f40dx");
	check_built(built, built_string(built, "", 0, 1, true), "");
}

Test(python_string, that_is_a_subclass_has_its_text_elsewhere)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	u64 address = built_string(built, "........", 8, 1, false);
	u64 text = built_string(built, "d\xe9riv\xe9", 6, 1, false) + built->layout.string_compact_size;

	built_poke_u64(built, address + built->layout.string_length, 6);
	built_poke_u32(built, address + built->layout.string_state, 1 << built->layout.string_kind_bit);
	built_poke_u64(built, address + built->layout.string_compact_size, text);
	check_built(built, address, "d\u00e9riv\u00e9");
}

/* What os.fsencode() says; but it refuses the three surrogates that no byte becomes. */
Test(python_string, of_a_path_has_the_bytes_that_are_no_utf8)
{
	static const u16 ucs2[] = {'a', 0xdcff, 'b', 0xdc80, 0xdc7f, 0xdd00, 0xd800, 0x20ac};
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	u64 address = built_string(built, ucs2, 8, 2, false);
	struct remote_memory memory = built_memory(built);
	STRBUF(path);

	cr_assert_eq(python_path_read(&memory, &built->layout, address, &path), 0);
	cr_assert_str_eq(path.at, "a\xff"
				  "b\x80\ufffd\ufffd\ufffd\u20ac");
	check_built(built, address, "a\ufffdb\ufffd\ufffd\ufffd\ufffd\u20ac");
}

Test(python_string, shows_what_is_no_character_as_replaced)
{
	static const u16 ucs2[] = {'a', 0xd800, 0xdfff, 'b'};
	static const u32 ucs4[] = {0x110000, 0xffffffff, 0};
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);

	check_built(built, built_string(built, ucs2, 4, 2, false), "a\ufffd\ufffdb");
	check_built(built, built_string(built, ucs4, 3, 4, false), "\ufffd\ufffd?");
}

Test(python_string, of_plain_bytes_is_utf8_where_that_is_valid)
{
	static const struct {
		const char *bytes, *expected;
	} rows[] = {
		{"", ""},
		{"plain.py", "plain.py"},
		{"na\xc3\xafve \xe2\x82\xac \xf0\x9f\x90\x8d", "na\u00efve \u20ac \U0001f40d"},
		{"caf\xe9", "caf\ufffd"},
		{"\xe9t\xe9", "\ufffdt\ufffd"},
		{"\x80\xbf\xfe\xff", "\ufffd\ufffd\ufffd\ufffd"},
		{"longer than need be: \xc0\xaf", "longer than need be: \ufffd\ufffd"},
		{"surrogate: \xed\xa0\x80", "surrogate: \ufffd\ufffd\ufffd"},
		{"beyond: \xf4\x90\x80\x80", "beyond: \ufffd\ufffd\ufffd\ufffd"},
		{"\xe2\x82", "\ufffd\ufffd"},
	};
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION_OF_BYTES);

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check_built(built, built_string(built, rows[i].bytes, strlen(rows[i].bytes), 1, true),
			    rows[i].expected);
	check_built(built, built_string(built, "a\0b", 3, 1, true), "a?b");
}

Test(python_string, of_plain_bytes_of_impossible_length_is_invalid)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION_OF_BYTES);
	u64 address = built_string(built, "text", 4, 1, true);

	built_poke_u64(built, address + built->layout.string_length, -1);
	cr_assert_eq(read_error(built, address), -EINVAL);
	built_poke_u64(built, address + built->layout.string_length, PYTHON_STRING_MAX);
	cr_assert_eq(read_error(built, address), -EFAULT);
}

Test(python_string, that_is_too_long_is_cut_and_says_so)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	struct remote_memory memory;
	char units[PYTHON_STRING_MAX + 1];
	STRBUF(text);

	memset(units, 'x', sizeof(units));
	u64 address = built_string(built, units, sizeof(units), 1, true);
	memory = built_memory(built);
	cr_assert_eq(python_string_read(&memory, &built->layout, address, &text), 0);
	cr_assert_eq(text.size, PYTHON_STRING_MAX + strlen("\u2026"));
	cr_assert_str_eq(text.at + PYTHON_STRING_MAX, "\u2026");
}

Test(python_string, of_a_kind_that_does_not_exist_is_invalid)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	u64 address = built_string(built, "text", 4, 1, true);

	for (u32 kind = 0; kind < 8; kind++) {
		built_poke_u32(built, address + built->layout.string_state,
			       (kind | 8) << built->layout.string_kind_bit);
		cr_assert_eq(read_error(built, address) == -EINVAL, kind != 1 && kind != 2 && kind != 4);
	}
	built_poke_u32(built, address + built->layout.string_state, (2 | 8 | 16) << built->layout.string_kind_bit);
	cr_assert_eq(read_error(built, address), -EINVAL, "ASCII of two bytes a unit");
}

Test(python_string, of_negative_length_is_invalid)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	u64 address = built_string(built, "text", 4, 1, true);

	built_poke_u64(built, address + built->layout.string_length, -1);
	cr_assert_eq(read_error(built, address), -EINVAL);
}

Test(python_string, that_ends_memory_is_read_and_one_beyond_is_a_fault)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	u64 address = built_string(built, "0123456789abcdef", 16, 1, true);

	check_built(built, address, "0123456789abcdef");
	built_poke_u64(built, address + built->layout.string_length, 17);
	cr_assert_eq(read_error(built, address), -EFAULT);
	cr_assert_eq(read_error(built, 0), -EFAULT);
}

static void check_strings(const struct live_python *python)
{
	size_t cnt = 0;

	for (const char *fact = NULL; (fact = live_python_fact(python, "string", fact)); cnt++) {
		unsigned long long address;
		int at;
		STRBUF(text);

		cr_assert_eq(sscanf(fact, "string %llx %n", &address, &at), 1);
		_cleanup_(free) char *expected = fact_text(fact + at);
		cr_assert_eq(python_string_read(&python->memory, &python->file.layout, address, &text), 0);
		cr_assert_str_eq(text.at, expected, "%s: string %zu", python->name, cnt);
	}
	cr_assert_gt(cnt, 10);
}

Test(python_string, of_a_live_interpreter_is_what_it_says_itself, .timeout = 600)
{
	for_each_live_python(check_strings);
}
