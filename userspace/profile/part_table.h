/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * part_table.h - the parts of which stacks are made. Whole stacks rarely repeat,
 * their parts do: so a part is turned into frames once, found again by the id under
 * which the kernel side knows it (record.h), and putting the same parts together
 * once more is one look-up.
 *
 * A part is a sequence of items, outermost first: frame ids, and places for what
 * other parts have. Parts with the same items are one.
 */
#ifndef PYPROF_PART_TABLE_H
#define PYPROF_PART_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "profile/stack_table.h"
#include "pyprof/types.h"

/* Items that are no frames. */
enum part_item {
	ITEM_RUN =
		0xfffffff0, /* in a Python part: a run begins, its frames follow. In a native one: a run comes here */
	ITEM_LEAF, /* in a native part: the leaf comes here */
	ITEM_PYTHON, /* in a native part: all runs come here. A frame follows, shown where something is outward of it */
};

#define PART_NONE UINT32_MAX

struct part {
	u32 first, cnt; /* items, in the table's own array */
	u32 losses; /* bit by enum loss: what is missing in it */
	u32 run_cnt; /* ITEM_RUNs; RUNS_ALL with an ITEM_PYTHON */
	u8 leaf; /* enum leaf_place */
};

enum leaf_place {
	LEAF_NOWHERE,
	LEAF_INNERMOST, /* nothing comes inside of it: so it may as well be joined later */
	LEAF_INSIDE,
};

#define RUNS_ALL UINT32_MAX

/* A native part reads in more ways than one, by what is known of the Python part beside it. Others have the first only. */
enum part_form {
	FORM_WHOLE, /* some runs lie outward of it, or there is no Python part */
	FORM_INNER, /* all runs have their places in it */
	FORM_APART, /* the places of the runs are not known */
	FORM_CNT
};

struct known_part {
	u64 id;
	u32 forms[FORM_CNT]; /* indices of parts */
	bool complete; /* native: the walk came to the thread's first frame */
	bool greenlet; /* native: on a greenlet's stack, so what is outward of that is not its caller */
};

struct part_table;

int part_table_new(struct part_table **ret);
void part_table_free(struct part_table *table);
DEFINE_CLEANUP(part_table, struct part_table *, part_table_free)

/* NULL when nothing has this id. Valid until the next part_table_add. */
const struct known_part *part_table_find(const struct part_table *table, u64 id);
/* known is copied; its id must be new. -ENOSPC at the bound: then part_table_clear, and ask for everything anew. */
int part_table_add(struct part_table *table, const struct known_part *known);
/* The index of the part that has these items, found or made. -ENOSPC likewise. */
int part_table_intern(struct part_table *table, const u32 *items, size_t cnt, u32 losses, u32 *ret);
/* Valid until the next part_table_intern. */
const struct part *part_table_at(const struct part_table *table, u32 part);

/*
 * What is put together: inside of the stack `prefix` the Python and the native part
 * as their items say, with the leaf where it belongs. Each part may be PART_NONE.
 * Runs belong to the native part's places innermost first; those without a place
 * come outward of it.
 */
struct seam {
	u32 prefix;
	u32 python, native, leaf;
};

int part_table_join(struct part_table *table, struct stack_table *stacks, const struct seam *seam, u32 *ret);
/* Forgets everything, keeps the memory. */
void part_table_clear(struct part_table *table);
size_t part_table_bytes(const struct part_table *table);

#endif
