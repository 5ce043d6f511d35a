/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* process_usage.h - what /proc says of one process: the CPU time that it used, and where it runs. */
#ifndef PYPROF_PROCESS_USAGE_H
#define PYPROF_PROCESS_USAGE_H

#include <stdbool.h>

#include "container/place.h"
#include "pyprof/types.h"

struct process_usage {
	u64 cpu_ns; /* user and system, of all its threads, in whole ticks */
	u64 start_ticks; /* since boot */
	bool is_kernel; /* a thread of the kernel's own */
};

/* From the text of /proc/PID/stat; the command in it may hold anything. -EBADMSG. */
int process_usage_parse(const char *stat, long ticks_per_second, struct process_usage *ret);
int process_usage_read(u32 pid, struct process_usage *ret);
/* Where it runs; what cannot be read is the host's. */
struct place *process_place(struct place_table *places, u32 pid);
/* Whether what it has mapped can be read. */
bool process_may_look(u32 pid);

#endif
