/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* process_list.h - the processes of the host, by /proc. */
#ifndef PYPROF_PROCESS_LIST_H
#define PYPROF_PROCESS_LIST_H

#include <stddef.h>

#include "pyprof/types.h"

/* Of all processes, or with a root of it and all that it started, in the order of their pids. To be freed. */
int process_list_read(u32 root, u32 **ret, size_t *ret_cnt);

/* In the text of /proc/PID/stat: the parent's pid. 0: makes no sense. The command in it may hold anything. */
u32 process_list_parent(const char *stat);

#endif
