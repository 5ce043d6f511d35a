/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * containers_list.h - what runs on this host, by container and unit, with the CPU time that each used
 * while one looked: from the cgroups' own clocks, and where a group has none, from those of its processes.
 *
 * Time is counted once. What a container within a container used is the inner one's alone, and what
 * ran in neither container nor unit is the host's: with all rows one has what the machine used.
 */
#ifndef PYPROF_CONTAINERS_LIST_H
#define PYPROF_CONTAINERS_LIST_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "container/place.h"

struct container_row {
	const struct place *place; /* the list's */
	u32 process_cnt; /* at the end, without the kernel's own threads */
	u32 python_cnt;
	double cpu_percent; /* 100: one CPU, all the time */

	/* rest is for containers_list.c */
	u64 before_ns, after_ns; /* of the group's clock, groups below included */
	u64 processes_ns; /* by the clocks of its own processes */
	bool has_clock; /* at both times */
	size_t outer; /* row of the group around it, SIZE_MAX: none */
	u64 inner_ns; /* what was used in the groups of other rows right below */
};

struct containers_list {
	struct container_row *rows; /* the busiest first */
	size_t cnt;
	double seconds; /* that the look took */
	u32 hidden_cnt; /* processes that we may not look into: whether they run Python is not known */

	/* rest is for containers_list.c */
	size_t capacity;
	struct place_table *places;
};

/* Looks for so long, at least. Releases with containers_list_deinit() what it gave. */
int containers_list_take(u64 look_ns, struct containers_list *ret);
/* For tests: a row for each place that is there, by path; of list->places, without times. */
int containers_list_make_rows(struct containers_list *list);
void containers_list_deinit(struct containers_list *list);

#endif
