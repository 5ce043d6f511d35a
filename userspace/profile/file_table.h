/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * file_table.h - which file it is that frames lie in, once, by id: what engines look debug
 * symbols up by. What people call it is the frame's own (frame.file), and the same for
 * the libz.so.1 of each container.
 */
#ifndef PYPROF_FILE_TABLE_H
#define PYPROF_FILE_TABLE_H

#include "base/cleanup.h"
#include "pyprof/types.h"

#define FILE_NONE 0 /* id of the row of which nothing is known */

struct file_row {
	u32 path; /* string id: as the process sees it; STRING_EMPTY: not known */
	u32 build_id; /* string id: in hexadecimal; STRING_EMPTY: it has none, or it is not known */
};

struct file_table;

int file_table_new(struct file_table **ret);
void file_table_free(struct file_table *table);
DEFINE_CLEANUP(file_table, struct file_table *, file_table_free)

/* -ENOMEM, -ENOSPC when the table's bound is reached. */
int file_table_intern(struct file_table *table, const struct file_row *row, u32 *ret);
u32 file_table_cnt(const struct file_table *table); /* ids are 0 to cnt - 1 */
/* Valid until the next intern. */
const struct file_row *file_table_at(const struct file_table *table, u32 id);

#endif
