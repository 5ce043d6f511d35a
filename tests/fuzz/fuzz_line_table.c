/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A co_lnotab or co_linetable, read as each kind; the first 4 bytes are the first line. */
#include <string.h>

#include "python/line_table.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* What is not known is 0, and what is known has its end not before its beginning. */
static void check(u16 kind, const u8 *table, size_t size, u32 first_line, u32 instr)
{
	struct line_position at;

	line_table_position(kind, table, size, first_line, instr, &at);
	if (at.has_columns ? !at.line || at.end_line < at.line || (at.end_line == at.line && at.end_column < at.column)
			   : at.end_line || at.column || at.end_column)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u32 first_line;

	if (size < sizeof(first_line))
		return 0;
	memcpy(&first_line, data, sizeof(first_line));
	for (u16 kind = LINE_TABLE_UNSIGNED; kind <= LINE_TABLE_LOCATIONS + 1; kind++) {
		for (u32 instr = 0; instr < 64; instr += 7)
			check(kind, data + sizeof(first_line), size - sizeof(first_line), first_line, instr);
		check(kind, data + sizeof(first_line), size - sizeof(first_line), first_line, ~0u);
	}
	return 0;
}
