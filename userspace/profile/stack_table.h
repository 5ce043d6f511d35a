/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * stack_table.h - a stack once, by id: a tree from the outermost frame inwards,
 * so that stacks share what they have in common and one more frame is one
 * look-up. The id of a stack is its innermost node; STACK_ROOT is the empty stack.
 */
#ifndef PYPROF_STACK_TABLE_H
#define PYPROF_STACK_TABLE_H

#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/types.h"

#define STACK_ROOT 0

struct stack_table;

int stack_table_new(struct stack_table **ret);
void stack_table_free(struct stack_table *table);
DEFINE_CLEANUP(stack_table, struct stack_table *, stack_table_free)

/* The stack that has frame called from parent. -ENOSPC at the bound, -ENOMEM. */
int stack_table_push(struct stack_table *table, u32 parent, u32 frame, u32 *ret);
u32 stack_table_parent(const struct stack_table *table, u32 id);
u32 stack_table_frame(const struct stack_table *table, u32 id);
u32 stack_table_cnt(const struct stack_table *table);
size_t stack_table_bytes(const struct stack_table *table);

#endif
