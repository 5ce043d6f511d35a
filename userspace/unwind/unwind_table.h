/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * unwind_table.h - one file's unwind table (include/pyprof/unwind.h), made of its
 * call frame information. Immutable. Numbers in it are its own: rows[].rule counts
 * in rules, pages[].row counts in rows.
 *
 * .eh_frame first; what it does not cover comes from .debug_frame. A file without
 * section headers is read by its PT_GNU_EH_FRAME. Where neither covers code but it
 * is known to keep frame pointers (Go, files without any CFI), `frame_pointers` is set.
 */
#ifndef PYPROF_UNWIND_TABLE_H
#define PYPROF_UNWIND_TABLE_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "elf/elf_file.h"
#include "pyprof/unwind.h"

struct unwind_table {
	u64 first; /* vaddr >> UNWIND_PAGE_SHIFT of the first page */
	struct unwind_page *pages;
	struct unwind_row *rows;
	struct unwind_rule *rules; /* the first is UNWIND_NONE */
	u32 page_cnt, row_cnt, rule_cnt;
	bool frame_pointers;
	u64 key[2]; /* hash of all of the above, so that files that differ elsewhere share: equal keys, equal tables */
	/* for people, see doctor --unwind */
	const char *source; /* ".eh_frame", ".debug_frame", ".eh_frame, .debug_frame", "" when there is none */
	u32 fde_cnt;
	u32 unsupported_cnt; /* rows that have UNWIND_UNSUPPORTED */
	u64 code_size, covered_size; /* bytes of executable sections (or segments), and of those with a row */
};

/*
 * -ENOEXEC: a file of another machine. -E2BIG: more than any real file has. Corrupt parts are left out, never believed.
 * A file without any CFI gives an empty table with frame_pointers set.
 */
int unwind_table_build(struct elf_file *file, struct unwind_table **ret);
void unwind_table_free(struct unwind_table *table);
DEFINE_CLEANUP(unwind_table, struct unwind_table *, unwind_table_free)

/* The rule at a vaddr, as the kernel side finds it; UNWIND_NONE where there is no row. */
const struct unwind_rule *unwind_table_find(const struct unwind_table *table, u64 address);

#endif
