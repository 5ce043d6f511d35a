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

static bool is_same_position(const struct line_position *a, const struct line_position *b)
{
	return a->line == b->line && a->has_columns == b->has_columns && a->end_line == b->end_line &&
	       a->column == b->column && a->end_column == b->end_column;
}

static struct line_position position_of(const u8 *table, size_t size, u32 instr)
{
	struct line_position position = {.line = 99, .has_columns = true};

	line_table_position(LINE_TABLE_LOCATIONS, table, size, 10, instr, &position);
	return position;
}

static void check_position(const u8 *table, size_t size, u32 instr, struct line_position expected)
{
	struct line_position found = position_of(table, size, instr);

	cr_assert(is_same_position(&found, &expected), "at %u: %u:%u-%u:%u", instr, found.line, found.column,
		  found.end_line, found.end_column);
}

Test(line_table, columns_are_where_each_kind_of_entry_has_them)
{
	static const u8 table[] = {
		ENTRY(2, 1),  0x35, /* 10:19-24 */
		ENTRY(11, 1), 7,    127, /* 11:7-127 */
		ENTRY(14, 1), 2,    3,	 0x45, 1, 6, /* 12:68-15:5 */
		ENTRY(13, 1), 0, /* 12, which has none */
		ENTRY(14, 1), 0,    0,	 0,    0, /* the same in a long entry */
		ENTRY(15, 1),
	};

	check_position(table, sizeof(table), 0, (struct line_position){10, 10, 19, 24, true});
	check_position(table, sizeof(table), 3, (struct line_position){11, 11, 7, 127, true});
	check_position(table, sizeof(table), 4, (struct line_position){12, 15, 68, 5, true});
	check_position(table, sizeof(table), 6, (struct line_position){.line = 12});
	check_position(table, sizeof(table), 8, (struct line_position){.line = 12});
	check_position(table, sizeof(table), 10, (struct line_position){0});
	check_position(table, sizeof(table), 12, (struct line_position){0});
}

Test(line_table, columns_that_cannot_be_are_none_and_leave_the_line)
{
	static const u8 of_the_next[] = {ENTRY(11, 1), 7, ENTRY(10, 1), 1, 2};
	static const u8 broken_off[] = {ENTRY(2, 1)};
	static const u8 backwards[] = {ENTRY(10, 1), 9, 4};
	static const u8 far[] = {ENTRY(14, 1), 0, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x03, 1, 1};
	static const u8 wide[] = {ENTRY(14, 1), 0, 0, 1, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x03};

	check_position(of_the_next, sizeof(of_the_next), 0, (struct line_position){.line = 11});
	check_position(of_the_next, sizeof(of_the_next), 2, (struct line_position){11, 11, 1, 2, true});
	check_position(broken_off, sizeof(broken_off), 0, (struct line_position){.line = 10});
	check_position(backwards, sizeof(backwards), 0, (struct line_position){.line = 10});
	check_position(far, sizeof(far), 0, (struct line_position){.line = 10});
	check_position(wide, sizeof(wide), 0, (struct line_position){.line = 10});
}

/* The examples of CPython's Objects/lnotab_notes.txt, of 2.7 and of 3.6: code on these lines from these offsets on. */
static const struct {
	u32 instr, line;
} notes[] = {{0, 1}, {6, 2}, {50, 7}, {350, 207}, {361, 208}};
static const u8 notes_unsigned[] = {0, 1, 6, 1, 44, 5, 255, 0, 45, 200, 11, 1};
static const u8 notes_signed[] = {0, 1, 6, 1, 44, 5, 255, 0, 45, 127, 0, 73, 11, 1};

static void check_notes(u16 kind, const u8 *table, size_t size)
{
	for (size_t i = 0; i < sizeof(notes) / sizeof(*notes); i++) {
		cr_assert_eq(line_table_find(kind, table, size, 0, notes[i].instr), notes[i].line);
		if (i)
			cr_assert_eq(line_table_find(kind, table, size, 0, notes[i].instr - 1), notes[i - 1].line);
	}
}

Test(line_table, of_address_and_line_deltas_reads_as_its_notes_say)
{
	check_notes(LINE_TABLE_UNSIGNED, notes_unsigned, sizeof(notes_unsigned));
	check_notes(LINE_TABLE_SIGNED, notes_signed, sizeof(notes_signed));
}

Test(line_table, of_unsigned_deltas_spreads_what_is_large_over_several_pairs)
{
	static const u8 far[] = {10, 255, 0, 255, 0, 3, 2, 200};

	cr_assert_eq(line_table_find(LINE_TABLE_UNSIGNED, far, sizeof(far), 1, 9), 1);
	cr_assert_eq(line_table_find(LINE_TABLE_UNSIGNED, far, sizeof(far), 1, 10), 514);
	cr_assert_eq(line_table_find(LINE_TABLE_UNSIGNED, far, sizeof(far), 1, 12), 714);
}

Test(line_table, of_signed_deltas_goes_back_too)
{
	static const u8 table[] = {4, 127, 0, 50, 6, 0x80, 0, 0xce}; /* +177, -178 */

	cr_assert_eq(line_table_find(LINE_TABLE_SIGNED, table, sizeof(table), 5, 3), 5);
	cr_assert_eq(line_table_find(LINE_TABLE_SIGNED, table, sizeof(table), 5, 4), 182);
	cr_assert_eq(line_table_find(LINE_TABLE_SIGNED, table, sizeof(table), 5, 10), 4);
	cr_assert_eq(line_table_find(LINE_TABLE_SIGNED, table, sizeof(table), 1, 10), 0);
	cr_assert_eq(line_table_find(LINE_TABLE_SIGNED, table, sizeof(table) - 3, 5, 100), 182, "half a pair is none");
}

Test(line_table, of_ranges_has_code_without_a_line_and_an_end)
{
	/* Three empty ranges for a large delta; one without a line. */
	static const u8 table[] = {4, 1, 0, 127, 0, 127, 0, 6, 2, 0, 6, 0x80, 2, 0x81};

	cr_assert_eq(line_table_find(LINE_TABLE_RANGES, table, sizeof(table), 1, 0), 2);
	cr_assert_eq(line_table_find(LINE_TABLE_RANGES, table, sizeof(table), 1, 3), 2);
	cr_assert_eq(line_table_find(LINE_TABLE_RANGES, table, sizeof(table), 1, 4), 262);
	cr_assert_eq(line_table_find(LINE_TABLE_RANGES, table, sizeof(table), 1, 6), 0);
	cr_assert_eq(line_table_find(LINE_TABLE_RANGES, table, sizeof(table), 1, 12), 135);
	cr_assert_eq(line_table_find(LINE_TABLE_RANGES, table, sizeof(table), 1, 14), 0);
}

Test(line_table, of_no_kind_or_without_bytes_has_the_first_line_or_none)
{
	static const u8 table[] = {4, 1, 4, 1};

	cr_assert_eq(line_table_find(LINE_TABLE_LOCATIONS + 1, table, sizeof(table), 7, 4), 0);
	cr_assert_eq(line_table_find(LINE_TABLE_UNSIGNED, NULL, 0, 7, 0), 7);
	cr_assert_eq(line_table_find(LINE_TABLE_SIGNED, NULL, 0, 7, 100), 7);
	cr_assert_eq(line_table_find(LINE_TABLE_RANGES, NULL, 0, 7, 0), 0);
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

/* Which of the four formats each version has. */
static const struct {
	const char *version;
	u16 kind;
} kinds[] = {
	{"2.7", LINE_TABLE_UNSIGNED},	{"3.6", LINE_TABLE_SIGNED},	{"3.8", LINE_TABLE_SIGNED},
	{"3.9", LINE_TABLE_SIGNED},	{"3.10", LINE_TABLE_RANGES},	{"3.11", LINE_TABLE_LOCATIONS},
	{"3.12", LINE_TABLE_LOCATIONS}, {"3.13", LINE_TABLE_LOCATIONS}, {"3.14", LINE_TABLE_LOCATIONS},
	{"3.15", LINE_TABLE_LOCATIONS},
};
#define KIND_CNT (sizeof(kinds) / sizeof(*kinds))

static size_t version_find(const char *version)
{
	for (size_t i = 0; i < KIND_CNT; i++)
		if (!strcmp(kinds[i].version, version))
			return i;
	cr_assert_fail("%s: no such version", version);
	return 0;
}

/* LINE:COLUMN-LINE:COLUMN or LINE, then *BYTES. */
static u32 run_parse(const char *run, struct line_position *ret)
{
	u32 bytes;

	*ret = (struct line_position){.has_columns = true};
	if (sscanf(run, "%u:%u-%u:%u*%u", &ret->line, &ret->column, &ret->end_line, &ret->end_column, &bytes) == 5)
		return bytes;
	*ret = (struct line_position){0};
	cr_assert_eq(sscanf(run, "%u*%u", &ret->line, &bytes), 2);
	return bytes;
}

/* Returns how many runs have columns. */
static size_t check_runs(size_t version, const u8 *table, size_t size, u32 first_line, char *runs)
{
	u16 kind = kinds[version].kind;
	struct line_position expected, found;
	u32 instr = 0;
	size_t with_columns = 0;
	char *rest;

	for (char *run = strtok_r(runs, ",\n", &rest); run; run = strtok_r(NULL, ",\n", &rest)) {
		for (u32 end = instr + run_parse(run, &expected); instr < end; instr++) {
			line_table_position(kind, table, size, first_line, instr, &found);
			cr_assert(is_same_position(&found, &expected),
				  "%s: first line %u, at %u: %u:%u-%u:%u where it says %s", kinds[version].version,
				  first_line, instr, found.line, found.column, found.end_line, found.end_column, run);
			cr_assert_eq(line_table_find(kind, table, size, first_line, instr), expected.line);
		}
		with_columns += expected.has_columns;
	}
	/* A co_lnotab does not say where the code ends. */
	cr_assert_eq(line_table_find(kind, table, size, first_line, instr),
		     kind <= LINE_TABLE_SIGNED ? expected.line : 0);
	return with_columns;
}

Test(line_table, of_each_version_says_what_its_interpreter_says)
{
	_cleanup_(stream) FILE *rows = fopen("tests/unit/data/line_tables.txt", "r");
	_cleanup_(free) char *row = NULL;
	size_t capacity = 0, cnts[KIND_CNT] = {0}, columns[KIND_CNT] = {0};

	if (!rows)
		cr_skip_test("run from the top of the tree");
	while (getline(&row, &capacity, rows) > 0) {
		char *rest;
		size_t version = version_find(strtok_r(row, " ", &rest));
		u32 first_line = strtoul(strtok_r(NULL, " ", &rest), NULL, 10);
		char *table = strtok_r(NULL, " ", &rest);
		char *runs = strtok_r(NULL, " ", &rest);

		cr_assert(table && runs);
		columns[version] += check_runs(version, (u8 *)table, table_parse(table), first_line, runs);
		cnts[version]++;
	}
	for (size_t i = 0; i < KIND_CNT; i++) {
		cr_assert_gt(cnts[i], 12, "%s", kinds[i].version);
		cr_assert_eq(columns[i] > 100, kinds[i].kind == LINE_TABLE_LOCATIONS, "%s: %zu with columns",
			     kinds[i].version, columns[i]);
	}
}
