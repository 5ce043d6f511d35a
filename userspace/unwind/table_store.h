/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * table_store.h - what lies where in the arrays that the kernel side walks by
 * (include/pyprof/unwind.h): the tables of files, and the mappings of processes.
 *
 * The kernel side may be reading at any instant. So what is there is never changed:
 * the new is written beside it, then one word leads to it, and the old rests for
 * a second before its place is used again.
 *
 * Bounded by the arrays. When they are full, the files that were used the longest
 * ago must be withdrawn (table_store_coldest). Rules alone are never dropped: there
 * are some thousands in the world; when they do not fit, theirs is UNWIND_UNSUPPORTED.
 */
#ifndef PYPROF_TABLE_STORE_H
#define PYPROF_TABLE_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/unwind.h"
#include "unwind/unwind_table.h"

struct table_store;

/* memory is borrowed, and all zeros. */
int table_store_new(const struct unwind_memory *memory, struct table_store **ret);
void table_store_free(struct table_store *store);
DEFINE_CLEANUP(table_store, struct table_store *, table_store_free)

/* A number for a file that has no table yet. -ENOSPC beyond MAX_UNWIND_FILES. */
int table_store_add_file(struct table_store *store, u32 *ret);
/* The number may be given to another file later. */
void table_store_drop_file(struct table_store *store, u32 file, u64 now_ns);

/* Files with equal tables (by key) share one. -ENOSPC, -ENOMEM: nothing changed. */
int table_store_publish(struct table_store *store, u32 file, const struct unwind_table *table, u64 now_ns);
void table_store_withdraw(struct table_store *store, u32 file, u64 now_ns);
bool table_store_is_published(const struct table_store *store, u32 file);
/* The published file that was used the longest ago, if that was before before_ns; false when there is none. */
bool table_store_coldest(const struct table_store *store, u64 before_ns, u32 *ret);
/* True when the table fits now, or will once all that was withdrawn has rested. */
bool table_store_will_fit(const struct table_store *store, const struct unwind_table *table);
/* True when it would not, as will_fit counts, if all others were withdrawn. */
bool table_store_is_too_small(const struct unwind_table *table);
/* True while some of what was withdrawn rests. */
bool table_store_is_resting(const struct table_store *store);

/* The mappings of one process, sorted: ids are filled in here. *ret_id is never 0. */
int table_store_add_mappings(struct table_store *store, struct unwind_mapping *mappings, u32 cnt, u32 *ret_first,
			     u32 *ret_id);
void table_store_drop_mappings(struct table_store *store, u32 first, u32 cnt, u64 now_ns);

/* Once a second or so: notes which files were used, and lets what rested be used again. */
void table_store_tick(struct table_store *store, u64 now_ns);

u32 table_store_row_cnt(const struct table_store *store); /* in use */

#endif
