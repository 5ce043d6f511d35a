/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * mapping.h - the executable ranges of one process's address space.
 *
 * A mapping turns an address seen at run time into an offset in a file. Ranges
 * are half open. A table keeps only executable ranges, sorted, without overlaps:
 * a later mapping replaces what it covers, as in the kernel.
 *
 * Whoever holds a reference sees by the pointer whether a process's ranges changed:
 * a table that is shared is never changed but replaced, and one that stayed the
 * same stays where it is. (Opened files are filled in without that.)
 */
#ifndef PYPROF_MAPPING_H
#define PYPROF_MAPPING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/types.h"

struct mapped_file; /* process/mapped_file.h */
struct mapping_origin; /* process/mapping_origin.h */

/* Ranges in one table: a JIT that never stops, or a program out to hurt, gets no more of our memory. */
#define MAPPING_TABLE_MAX 16384

struct mapping {
	u64 start, end;
	u64 file_offset; /* of `start` */
	u64 inode; /* 0: no file (anonymous, [vdso]) */
	u32 dev_major, dev_minor;
	char *path; /* as the kernel prints it: with " (deleted)", "[vdso]", "" for anonymous; owned */
	struct mapped_file *file; /* NULL until somebody asked for it; a reference of ours */
	bool file_failed; /* asked, and there is none */
	struct mapping_origin *origin; /* a file that this memory may be a copy of; NULL: none; owned */
};

struct mapping_table;

struct mapping_table *mapping_table_new(void);
/* Shared between a process and its forked children until one of them changes: copies are lazy. */
struct mapping_table *mapping_table_ref(struct mapping_table *table);
void mapping_table_unref(struct mapping_table *table);
DEFINE_CLEANUP(mapping_table, struct mapping_table *, mapping_table_unref)

/*
 * Text of /proc/PID/maps (paths are escaped by the kernel: \012). If it says something new, *table becomes a table of
 * its own, which keeps the opened files of ranges that stayed; on failure nothing changes. Ranges beyond
 * MAPPING_TABLE_MAX are left out.
 */
int mapping_table_parse(struct mapping_table **table, const char *maps, size_t size);

/*
 * A new mapping, which the table copies (path included; `file` and `origin` are ignored). *table may be replaced by a
 * copy of its own. -ENOSPC beyond MAPPING_TABLE_MAX.
 */
int mapping_table_insert(struct mapping_table **table, const struct mapping *mapping);

/* True when it takes the place, in part at least, of another file, or of another part of its own. */
bool mapping_table_replaces(const struct mapping_table *table, const struct mapping *mapping);

/* NULL when no mapping covers the address. Valid until the table changes. */
struct mapping *mapping_table_find(struct mapping_table *table, u64 address);

size_t mapping_table_cnt(const struct mapping_table *table);
struct mapping *mapping_table_at(struct mapping_table *table, size_t i);

#endif
