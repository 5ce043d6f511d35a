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
#include "process/mapped_file.h"

/* Keeps what it learned of the process from one snapshot to the next: files, names, where CPython is. */
struct dumper;

/* capture is borrowed, and so is files (NULL: it has its own), which dumpers of many processes share. Looks at nothing yet. */
int dumper_new(const struct snapshot_options *options, struct thread_capture *capture, u32 pid,
	       struct mapped_file_cache *files, struct dumper **ret);
void dumper_free(struct dumper *dumper);
DEFINE_CLEANUP(dumper, struct dumper *, dumper_free)

/*
 * 0, or why there is nothing to tell:
 *	-ESRCH no such process, -EPERM may not look into it, -ENOEXEC not a Python process,
 *	-ENODATA it has no memory: a zombie or a kernel thread,
 *	-ENOTSUP a version that we do not know, -EAGAIN not initialised yet or finalizing,
 *	-EBUSY a debugger has it, so it cannot be frozen,
 *	-EFAULT its memory cannot be read.
 * *ret is then a snapshot without threads, with what is known of the process (its phase and version); free it too.
 * Only with -ENOMEM there may be none.
 */
int dumper_take(struct dumper *dumper, struct snapshot **ret);

/* One snapshot alone; answers as dumper_take. */
int dump_process(const struct snapshot_options *options, struct thread_capture *capture, u32 pid,
		 struct snapshot **ret);

#endif
