/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * dumper.h - takes a snapshot of one process: its threads from the kernel, their
 * Python stacks through the one walker, their native ones through the fallback, put
 * together by the assembler, just as samples are.
 */
#ifndef PYPROF_DUMPER_H
#define PYPROF_DUMPER_H

#include "capture/thread_capture.h"
#include "dump/snapshot.h"

/*
 * 0, or why there is nothing to tell:
 *	-ESRCH no such process, -EPERM may not look into it, -ENOEXEC not a Python process,
 *	-ENOTSUP a version that we do not know, -EAGAIN not initialised yet or finalizing,
 *	-EFAULT its memory cannot be read.
 * *ret is then a snapshot without threads, with what is known of the process (its phase and version); free it too.
 */
int dump_process(const struct snapshot_options *options, struct thread_capture *capture, u32 pid,
		 struct snapshot **ret);

#endif
