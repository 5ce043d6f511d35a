/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * wait.h - what a thread waits for, from its system call and that one's arguments.
 * Locks of Python's own are another question (deadlock.h): here they are futexes.
 */
#ifndef PYPROF_WAIT_H
#define PYPROF_WAIT_H

#include "base/remote_memory.h"
#include "dump/fd_target.h"
#include "dump/namespace_tids.h"
#include "dump/snapshot.h"

/* What is known of the process beside the thread. All borrowed; what is NULL is not looked at. */
struct wait_facts {
	const struct remote_memory *memory;
	struct fd_targets *fds;
	struct namespace_tids *tids;
	u64 gil_start, gil_end; /* where the thread's GIL lies (inspect/gil.h); both 0: not known, or there is none */
	u32 gil_owner_tid; /* who holds it; 0: nobody, or not known */
};

/* The name of a system call of x86-64; NULL: unknown. */
const char *syscall_name(u64 number);

/*
 * -ENOMEM, or 0 with what there is to say, its texts in the snapshot: memory and descriptors that cannot be read make for a
 * shorter answer. A mutex has an owner only where all of glibc's struct __pthread_mutex adds up.
 */
int wait_explain(struct snapshot *snapshot, const struct thread_record *record, const struct wait_facts *facts,
		 struct dump_wait *ret);

/* Fills in `others` of all threads of a process. Call it last, when each wait says what it is for. */
int wait_count_others(struct dump_thread *threads, size_t cnt);

#endif
