/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/line_table.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"

/* 0 for what no line is. At most 2^20 deltas of 2^36 are added to a line: an s64 never overflows. */
static u32 line_checked(s64 line)
{
	return line < 0 || line > INT32_MAX ? 0 : line;
}

/*
 * co_lnotab (CPython's Objects/lnotab_notes.txt) is a sequence of two bytes: add the
 * first to the address, and from there on the second to the line. The second is
 * signed since 3.6. What exceeds a byte is spread over several pairs, those for one
 * address: so a pair counts only when the address does not pass the instruction.
 */
static u32 lnotab_find(struct cursor *table, bool is_signed, u32 first_line, u32 instr)
{
	s64 line = first_line;
	u64 address = 0;

	while (cursor_left(table) >= 2) {
		address += cursor_u8(table);
		u8 delta = cursor_u8(table);

		if (address > instr)
			break;
		line += is_signed ? (s8)delta : delta;
	}
	return line_checked(line);
}

/*
 * The line table of 3.10 (Objects/lnotab_notes.txt) is a sequence of two bytes: how
 * many bytes of code the range has, unsigned, and what to add to the line for it,
 * signed; -128: the range has no line, and the line stays.
 */
#define RANGE_WITHOUT_LINE (-128)

static u32 ranges_find(struct cursor *table, u32 first_line, u32 instr)
{
	s64 line = first_line;
	u64 end = 0;

	while (cursor_left(table) >= 2) {
		end += cursor_u8(table);
		s8 delta = cursor_u8(table);

		if (delta != RANGE_WITHOUT_LINE)
			line += delta;
		if (instr < end)
			return delta == RANGE_WITHOUT_LINE ? 0 : line_checked(line);
	}
	return 0;
}

/*
 * A location table, 3.11 and later (CPython's InternalDocs/code_objects.md) is a sequence of
 * entries, each for the next 1 to 8 code units of 2 bytes. The first byte of an
 * entry alone has bit 7:
 *
 *	bit 7: 1	bits 6-3: kind		bits 2-0: code units - 1
 *
 * Kinds 0-9 stay on the line, 10-12 add 0 to 2 to it, 13 and 14 begin with a
 * signed varint to add, 15 is code without a line. The rest is columns.
 *
 * A varint has 6 bits a byte, lowest first, and bit 6 says that more follow; a
 * signed one has its sign in bit 0.
 */
enum line_entry_kind {
	LINE_ENTRY_ONE_LINE = 10,
	LINE_ENTRY_NO_COLUMNS = 13,
	LINE_ENTRY_LONG = 14,
	LINE_ENTRY_NO_LINE = 15,
};

static u64 read_varint(struct cursor *table)
{
	u64 value = 0;

	for (int shift = 0; shift < 36; shift += 6) { /* 32 bits and no more: what is longer is nobody's line */
		u8 byte = cursor_u8(table);

		value |= (u64)(byte & 0x3f) << shift;
		if (!(byte & 0x40))
			return value;
	}
	table->bad = true;
	return 0;
}

static s64 read_signed_varint(struct cursor *table)
{
	u64 value = read_varint(table);
	s64 magnitude = value >> 1;

	return value & 1 ? -magnitude : magnitude;
}

static s64 read_line_delta(struct cursor *table, unsigned int kind)
{
	if (kind < LINE_ENTRY_ONE_LINE || kind == LINE_ENTRY_NO_LINE)
		return 0;
	if (kind < LINE_ENTRY_NO_COLUMNS)
		return kind - LINE_ENTRY_ONE_LINE;
	return read_signed_varint(table);
}

static void skip_columns(struct cursor *table)
{
	while (table->at < table->end && !(*table->at & 0x80))
		table->at++;
}

static u32 locations_find(struct cursor *table, u32 first_line, u32 instr)
{
	s64 line = first_line;
	u64 end = 0;

	while (cursor_left(table)) {
		u8 head = cursor_u8(table);
		unsigned int kind = head >> 3 & 15;

		line += read_line_delta(table, kind);
		if (!(head & 0x80) || table->bad)
			return 0;
		end += ((head & 7) + 1) * 2;
		if (instr < end)
			return kind == LINE_ENTRY_NO_LINE ? 0 : line_checked(line);
		skip_columns(table);
	}
	return 0;
}

u32 line_table_find(u16 kind, const u8 *data, size_t size, u32 first_line, u32 instr)
{
	struct cursor table = cursor_of(data, size < LINE_TABLE_MAX ? size : LINE_TABLE_MAX);

	switch (kind) {
	case LINE_TABLE_UNSIGNED:
	case LINE_TABLE_SIGNED:
		return lnotab_find(&table, kind == LINE_TABLE_SIGNED, first_line, instr);
	case LINE_TABLE_RANGES:
		return ranges_find(&table, first_line, instr);
	case LINE_TABLE_LOCATIONS:
		return locations_find(&table, first_line, instr);
	}
	return 0;
}
