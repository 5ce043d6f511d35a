/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cgroup_filter.h - which cgroups the kernel side samples, when not all: a set of ids in a map of its own.
 *
 * The kernel side puts new cgroups in and takes removed ones out by itself; the rest is the caller's. When one finds no
 * room, whoever put it in, all cgroups are sampled: the filter is open, until the caller says that it made up for that.
 */
#ifndef PYPROF_CGROUP_FILTER_H
#define PYPROF_CGROUP_FILTER_H

#include <stdbool.h>

#include "pyprof/types.h"

struct cgroup_filter {
	int map; /* borrowed */
	u32 *overflows; /* how often one found no room; both sides count */
	u32 *settled; /* how many of these were made up for; open while that is another number */
};

/* -ENOSPC: there is no room, and all are sampled. That it is in already is no error. */
int cgroup_filter_add(struct cgroup_filter *filter, u64 cgroup_id);
void cgroup_filter_remove(struct cgroup_filter *filter, u64 cgroup_id);
bool cgroup_filter_is_open(const struct cgroup_filter *filter);
u32 cgroup_filter_overflows(const struct cgroup_filter *filter);
/* What found no room up to that number is in by now, or not wanted. Closes, if it is the last one. */
void cgroup_filter_settle(struct cgroup_filter *filter, u32 overflows);

#endif
