/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* thread_status.h - what the kernel says of a thread of ours: does it run, and which signals would reach a handler of it. */
#ifndef STACKTRACE_THREAD_STATUS_H
#define STACKTRACE_THREAD_STATUS_H

#include <stdbool.h>

#include "pyprof/types.h"

struct thread_status {
	char state; /* as in ps(1): R runs, S sleeps, ...; '?': not known, where there is no /proc */
	bool is_traced; /* by a debugger */
	u64 blocked; /* signals, number - 1 the bit; those that it waits for by sigwait() too: they would come out there */
	u64 pending; /* signals that it, or the process, has not taken yet */
};

/* -ESRCH: no thread of ours. */
int thread_status_read(int tid, struct thread_status *ret);

/* Signals that the calling thread blocks. */
u64 thread_status_own_blocked(void);

#endif
