/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * part_table.h - the parts of which stacks are made, by the id under which the
 * kernel side knows them (record.h). Whole stacks rarely repeat, their parts do:
 * so a part is turned into frames once, and joining one to a stack that it was
 * joined to before is a look-up.
 */
#ifndef PYPROF_PART_TABLE_H
#define PYPROF_PART_TABLE_H

#include <stddef.h>

#include "base/cleanup.h"
#include "profile/stack_table.h"
#include "pyprof/types.h"

struct part_table;

struct part {
	u32 first, cnt; /* frames, in the table's own array: outermost first */
	u32 losses; /* bit by enum loss: what is missing in it */
};

int part_table_new(struct part_table **ret);
void part_table_free(struct part_table *table);
DEFINE_CLEANUP(part_table, struct part_table *, part_table_free)

/* Index of the part, -ENOENT when there is none. */
int part_table_find(const struct part_table *table, u64 id, u32 *ret);
/* -ENOSPC at the bound: then part_table_clear, and ask the kernel side for everything anew. */
int part_table_add(struct part_table *table, u64 id, const u32 *frames, size_t cnt, u32 losses, u32 *ret);
const struct part *part_table_at(const struct part_table *table, u32 part);
/* The stack that has the part's frames inside of prefix. */
int part_table_join(struct part_table *table, struct stack_table *stacks, u32 prefix, u32 part, u32 *ret);
void part_table_clear(struct part_table *table);
size_t part_table_bytes(const struct part_table *table);

#endif
