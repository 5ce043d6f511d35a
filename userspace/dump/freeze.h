/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * freeze.h - stops a process for a moment, as a debugger does, so that all of it is
 * seen at one instant. The process cannot tell: no signal is sent to it, none that
 * arrives is lost, and one that was stopped before (SIGSTOP) stays so.
 *
 * Whatever becomes of us, it goes on: the kernel lets go of all threads when their
 * tracer ends, by SIGKILL too.
 */
#ifndef PYPROF_FREEZE_H
#define PYPROF_FREEZE_H

#include "base/cleanup.h"
#include "pyprof/types.h"

struct freeze;

/*
 * Returns when every thread stands. One that sleeps in the kernel where nothing wakes
 * it cannot be made to: after timeout_ns it counts as standing, for it does not run either.
 * -EPERM: may not; -EBUSY: a debugger has it already; -ESRCH: no such process.
 */
int freeze_begin(u32 pid, u64 timeout_ns, struct freeze **ret);

/* Lets it go on, also those that never stood, and frees; gives for how many nanoseconds it could not run. */
u64 freeze_end(struct freeze *freeze);

static inline void freeze_free(struct freeze *freeze)
{
	if (freeze)
		freeze_end(freeze);
}
DEFINE_CLEANUP(freeze, struct freeze *, freeze_free)

#endif
