/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * line_table.h - instruction to line, from co_lnotab (to 3.9) or co_linetable, in
 * each of their four formats: what PyCode_Addr2Line() says; from 3.11 on also to the
 * expression: what co_positions() says. Pure.
 */
#ifndef PYPROF_LINE_TABLE_H
#define PYPROF_LINE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "pyprof/python_abi.h"
#include "pyprof/types.h"

#define LINE_TABLE_MAX (1 << 20) /* bytes; the largest real ones are some 100 KiB */

/*
 * The line of the instruction at byte offset instr; 0 when there is none (artificial
 * code, hostile table, unknown kind). A co_lnotab has no end: its last line goes on.
 */
u32 line_table_find(u16 kind, const u8 *table, size_t size, u32 first_line, u32 instr);

/* Where an instruction comes from. Columns are bytes of the line's UTF-8, the first is 0, end_column is behind the last. */
struct line_position {
	u32 line; /* 0: none, and nothing else is known */
	u32 end_line, column, end_column;
	bool has_columns; /* false to 3.10 and with -X no_debug_ranges: then the line alone is known */
};

void line_table_position(u16 kind, const u8 *table, size_t size, u32 first_line, u32 instr, struct line_position *ret);

#endif
