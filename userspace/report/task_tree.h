/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * task_tree.h - the asyncio tasks of a snapshot as people read them: who awaits
 * above whom is awaited. Pure. Each task's own row comes once, below the first of
 * those that await it; below the others it is a row without children, `again`.
 * So does a task that awaits itself by way of others.
 */
#ifndef PYPROF_TASK_TREE_H
#define PYPROF_TASK_TREE_H

#include "base/strbuf.h"
#include "dump/snapshot.h"

#define TASK_TREE_ROOT ((size_t)-1)

struct task_row {
	size_t task; /* index in the array of tasks */
	size_t parent; /* index of the row above it in the tree, a smaller one; TASK_TREE_ROOT: none */
	u32 depth; /* 0: nobody awaits it */
	bool is_last; /* of its parent's rows */
	bool again; /* it has its own row elsewhere */
};

/*
 * All rows, in the order they are printed: neighbours by event loop, then by name
 * as people count (Task-2 before Task-10), then by address. An awaited_by that is
 * none of these tasks is left out. The rows are freed by the caller.
 */
int task_tree_order(const struct dump_task *tasks, size_t task_cnt, struct task_row **ret, size_t *ret_cnt);

/* What stands before a row's text: "" for a root, else "|   |-- " drawn with lines. */
void task_tree_indent(const struct task_row *rows, size_t row, struct strbuf *b);
/* The same before the further lines of a row, its frames. has_children: the next row is one of them. */
void task_tree_indent_more(const struct task_row *rows, size_t row, bool has_children, struct strbuf *b);

#endif
