/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/line_table.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define ENTRY(kind, units) (0x80 | (kind) << 3 | ((units)-1))

Test(line_table, short_and_one_line_entries_count_from_the_first_line)
{
	static const u8 table[] = {ENTRY(0, 1), 0x12, ENTRY(11, 2), 1, 2, ENTRY(12, 1), 1, 2, ENTRY(9, 1), 0x7f};

	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, table, sizeof(table), 10, 0), 10);
	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, table, sizeof(table), 10, 1), 10);
	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, table, sizeof(table), 10, 2), 11);
	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, table, sizeof(table), 10, 5), 11);
	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, table, sizeof(table), 10, 6), 13);
	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, table, sizeof(table), 10, 8), 13);
}

Test(line_table, has_nothing_behind_its_end)
{
	static const u8 table[] = {ENTRY(10, 8), 0, 0};

	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, table, sizeof(table), 1, 15), 1);
	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, table, sizeof(table), 1, 16), 0);
	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, table, sizeof(table), 1, 0xffffffff), 0);
	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, table, 0, 1, 0), 0);
	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, NULL, 0, 1, 0), 0);
}

Test(line_table, long_entries_go_forth_and_back_by_varints)
{
	/* +200 is 400 as a varint: 0x50, 0x06; -199 is 399: 0x4f, 0x06. */
	static const u8 table[] = {ENTRY(14, 1), 0x50, 0x06, 0, 1, 2, ENTRY(13, 1), 0x4f, 0x06, ENTRY(0, 1), 0};

	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, table, sizeof(table), 1, 0), 201);
	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, table, sizeof(table), 1, 2), 2);
	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, table, sizeof(table), 1, 4), 2);
}

Test(line_table, code_without_a_line_does_not_move_the_line)
{
	static const u8 table[] = {ENTRY(11, 1), 0, 0, ENTRY(15, 1), ENTRY(10, 1), 0, 0};

	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, table, sizeof(table), 1, 0), 2);
	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, table, sizeof(table), 1, 2), 0);
	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, table, sizeof(table), 1, 4), 2);
}

Test(line_table, a_line_below_zero_or_beyond_an_int_is_none)
{
	static const u8 back[] = {ENTRY(13, 1), 0x0b};
	static const u8 forth[] = {ENTRY(13, 1), 0x7e, 0x7f, 0x7f, 0x7f, 0x7f, 0x03};

	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, back, sizeof(back), 3, 0), 0);
	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, forth, sizeof(forth), 0x7fffffff, 0), 0);
}

Test(line_table, what_begins_with_no_entry_or_breaks_off_has_no_line)
{
	static const u8 no_entry[] = {0x01, ENTRY(10, 8), 0, 0};
	static const u8 broken[] = {ENTRY(13, 1), 0x40};
	static const u8 endless[] = {ENTRY(13, 1), 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x01};

	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, no_entry, sizeof(no_entry), 1, 0), 0);
	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, broken, sizeof(broken), 1, 0), 0);
	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, endless, sizeof(endless), 1, 0), 0);
}

/* Both words from tools/gen_line_tables.py. */
static size_t table_parse(char *hex)
{
	size_t size = strlen(hex) / 2;

	for (size_t i = 0; i < size; i++) {
		char pair[3] = {hex[2 * i], hex[2 * i + 1]};

		hex[i] = strtoul(pair, NULL, 16);
	}
	return size;
}

static void check_runs(const char *version, const u8 *table, size_t size, u32 first_line, char *runs)
{
	u32 instr = 0, line, units;
	char *rest;

	for (char *run = strtok_r(runs, ",\n", &rest); run; run = strtok_r(NULL, ",\n", &rest)) {
		cr_assert_eq(sscanf(run, "%u*%u", &line, &units), 2);
		for (u32 end = instr + 2 * units; instr < end; instr += 2)
			cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, table, size, first_line, instr), line,
				     "%s: first line %u, at %u", version, first_line, instr);
	}
	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS, table, size, first_line, instr), 0);
}

Test(line_table, of_each_version_says_what_its_interpreter_says)
{
	_cleanup_(stream) FILE *rows = fopen("tests/unit/data/line_tables.txt", "r");
	_cleanup_(free) char *row = NULL;
	size_t capacity = 0, cnt = 0;

	if (!rows)
		cr_skip_test("run from the top of the tree");
	for (; getline(&row, &capacity, rows) > 0; cnt++) {
		char *rest;
		const char *version = strtok_r(row, " ", &rest);
		u32 first_line = strtoul(strtok_r(NULL, " ", &rest), NULL, 10);
		char *table = strtok_r(NULL, " ", &rest);
		char *runs = strtok_r(NULL, " ", &rest);

		cr_assert(table && runs);
		check_runs(version, (u8 *)table, table_parse(table), first_line, runs);
	}
	cr_assert_gt(cnt, 70);
}
