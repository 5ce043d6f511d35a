/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * stack_groups.h - threads that stand at the same place and do the same, together:
 * thread pools make dumps unreadable otherwise. Who holds the GIL, or had it, and the
 * main thread stay alone, and so does a thread of which there is no stack to compare. Of
 * locals that were asked for, all must be the same.
 */
#ifndef PYPROF_STACK_GROUPS_H
#define PYPROF_STACK_GROUPS_H

#include "dump/snapshot.h"

struct stack_group {
	const size_t *members; /* indices in snapshot->threads, ascending; at least one */
	size_t cnt;
};

struct stack_groups {
	struct stack_group *groups; /* in the order of their first members */
	size_t cnt;
	size_t *members; /* of all of them */
};

int stack_groups_new(const struct snapshot *snapshot, struct stack_groups **ret);
void stack_groups_free(struct stack_groups *groups);
DEFINE_CLEANUP(stack_groups, struct stack_groups *, stack_groups_free)

#endif
