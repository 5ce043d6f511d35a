/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * line_table.h - instruction to line, from co_lnotab (to 3.9) or co_linetable, in
 * each of their four formats: what PyCode_Addr2Line() says. Pure.
 */
#ifndef PYPROF_LINE_TABLE_H
#define PYPROF_LINE_TABLE_H

#include <stddef.h>

#include "pyprof/python_abi.h"
#include "pyprof/types.h"

#define LINE_TABLE_MAX (1 << 20) /* bytes; the largest real ones are some 100 KiB */

/*
 * The line of the instruction at byte offset instr; 0 when there is none (artificial
 * code, hostile table, unknown kind). A co_lnotab has no end: its last line goes on.
 */
u32 line_table_find(u16 kind, const u8 *table, size_t size, u32 first_line, u32 instr);

#endif
