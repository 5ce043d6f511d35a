/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * thread_record.h - one thread as the kernel knows it at one instant, asked for
 * rather than sampled: what `dump` starts from (bpf/threads.bpf.c writes it,
 * capture/thread_capture.h hands it out). Numbers, times and sizes as in record.h.
 */
#ifndef PYPROF_THREAD_RECORD_H
#define PYPROF_THREAD_RECORD_H

#include "pyprof/record.h"

enum thread_flags {
	THREAD_ON_CPU = 1 << 0, /* it runs: its registers are those of its last entry into the kernel, and stale */
	THREAD_RUNNABLE = 1 << 1, /* it could run, and waits for a CPU */
	THREAD_EXITING = 1 << 2,
	THREAD_NO_MEMORY = 1 << 3, /* a kernel thread, or one that has given its memory up */
	THREAD_IN_SYSCALL = 1 << 4, /* `syscall` and its arguments are meant */
};

struct thread_record {
	struct record record; /* RECORD_THREAD; time_ns: when this was written */
	struct process_id process;
	u32 tid;
	u32 cpu; /* where it runs or ran last */
	u32 flags; /* enum thread_flags */
	u32 state; /* as in /proc: 'R', 'S', 'D', 'T', 't', 'Z', 'X', 'I', 'P' */
	/* Involuntary and voluntary switches. A thread that does not run and whose count stays has not run since. */
	u64 switches;
	u64 off_cpu_ns; /* for how long it has not run; 0: it runs, or it is not known */
	u64 thread_pointer; /* fsbase */
	u64 syscall; /* number */
	u64 arguments[6];
	u64 registers[17]; /* with which user mode goes on, by DWARF number; 16 is rip */
	char comm[THREAD_COMM_SIZE];
	u32 kernel_cnt; /* u64 addresses that follow: its kernel stack, innermost first */
	u32 thread_cnt; /* of its process, at this time; 0: it has just ended */
};

_Static_assert(sizeof(struct thread_record) == 16 + 24 + 16 + 24 + 8 + 48 + 8 * 17 + 16 + 8,
	       "thread_record has a hole");

static inline const u64 *thread_record_kernel(const struct thread_record *thread)
{
	return (const u64 *)(thread + 1);
}

#endif
