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
 *	kind	line			end line	first column		column behind the last
 *	0-9	as it was		the same	kind * 8 + bits 6-4	+ bits 3-0 of one byte
 *	10-12	kind - 10 further	the same	a byte			a byte
 *	13	+ signed varint		the same	none			none
 *	14	+ signed varint		+ varint	varint - 1		varint - 1
 *	15	none; the line stays what it was
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

/* What follows the line of an entry; of what cannot be, and of an entry that breaks off, only the line is believed. */
static void read_columns(struct cursor *table, unsigned int kind, u32 line, struct line_position *ret)
{
	struct cursor rest = cursor_of(table->at, cursor_left(table));
	u64 end_line = line, first = 0, end = 0; /* columns, plus 1 */

	skip_columns(&rest);
	rest = cursor_of(table->at, rest.at - table->at); /* no further than to the next entry */
	if (kind < LINE_ENTRY_ONE_LINE) {
		u8 columns = cursor_u8(&rest);

		first = kind * 8 + (columns >> 4) + 1;
		end = first + (columns & 15);
	} else if (kind < LINE_ENTRY_NO_COLUMNS) {
		first = cursor_u8(&rest) + 1;
		end = cursor_u8(&rest) + 1;
	} else if (kind == LINE_ENTRY_LONG) {
		end_line += read_varint(&rest);
		first = read_varint(&rest);
		end = read_varint(&rest);
	}
	if (rest.bad || !first || !end || end_line > INT32_MAX || first > INT32_MAX || end > INT32_MAX ||
	    (end_line == line && end < first))
		return;
	*ret = (struct line_position){line, end_line, first - 1, end - 1, true};
}

static void locations_find(struct cursor *table, u32 first_line, u32 instr, struct line_position *ret)
{
	s64 line = first_line;
	u64 end = 0;

	while (cursor_left(table)) {
		u8 head = cursor_u8(table);
		unsigned int kind = head >> 3 & 15;

		line += read_line_delta(table, kind);
		if (!(head & 0x80) || table->bad)
			return;
		end += ((head & 7) + 1) * 2;
		if (instr < end) {
			ret->line = kind == LINE_ENTRY_NO_LINE ? 0 : line_checked(line);
			if (ret->line)
				read_columns(table, kind, ret->line, ret);
			return;
		}
		skip_columns(table);
	}
}

void line_table_position(u16 kind, const u8 *data, size_t size, u32 first_line, u32 instr, struct line_position *ret)
{
	struct cursor table = cursor_of(data, size < LINE_TABLE_MAX ? size : LINE_TABLE_MAX);

	*ret = (struct line_position){0};
	switch (kind) {
	case LINE_TABLE_UNSIGNED:
	case LINE_TABLE_SIGNED:
		ret->line = lnotab_find(&table, kind == LINE_TABLE_SIGNED, first_line, instr);
		break;
	case LINE_TABLE_RANGES:
		ret->line = ranges_find(&table, first_line, instr);
		break;
	case LINE_TABLE_LOCATIONS:
		locations_find(&table, first_line, instr, ret);
		break;
	}
}

u32 line_table_find(u16 kind, const u8 *data, size_t size, u32 first_line, u32 instr)
{
	struct line_position position;

	line_table_position(kind, data, size, first_line, instr, &position);
	return position.line;
}
