/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cgroup_clock.h - the CPU time that a cgroup used since it was made, by the kernel's own account, in which also
 * that of processes that ended is.
 *
 * v1: cpuacct.usage, nanoseconds (Documentation/admin-guide/cgroup-v1/cpuacct.rst). v2: usage_usec of cpu.stat, microseconds,
 * which each group has, with the controller or without (admin-guide/cgroup-v2.rst); the root's from 5.9 on.
 */
#ifndef PYPROF_CGROUP_CLOCK_H
#define PYPROF_CGROUP_CLOCK_H

#include "container/hierarchies.h"

/* path: from the root of its hierarchy. Groups below it are in it. -ENOENT: no hierarchy that accounts has this group. */
int cgroup_clock_read(const struct hierarchies *hierarchies, const char *path, u64 *ret_ns);

#endif
