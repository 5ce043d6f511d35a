/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * thread_capture.h - the kernel's view of the threads of one process, on demand,
 * without stopping one. Two ways: a thread that does not run is read where it
 * stands (a BPF task iterator); one that never holds still is taken on its own CPU,
 * by the same sampling program that `record` uses, in an interrupt of its own clock.
 */
#ifndef PYPROF_THREAD_CAPTURE_H
#define PYPROF_THREAD_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/python_abi.h"
#include "pyprof/thread_record.h"

struct thread_capture;

struct thread_capture_options {
	bool kernel_stacks;
	void (*on_message)(const char *message); /* what libbpf has to say; NULL: nothing */
};

/* Loads the iterator alone (15 ms of CPU). -EPERM: rights are missing (rights.h). *ret_step (may be NULL) is what failed. */
int thread_capture_open(const struct thread_capture_options *options, struct thread_capture **ret,
			const char **ret_step);
void thread_capture_close(struct thread_capture *capture);
DEFINE_CLEANUP(thread_capture, struct thread_capture *, thread_capture_close)

/*
 * Every thread of the process, in the order of their tids; record is valid during
 * the visit. with_stacks: with kernel stacks, if the options say so; without is
 * quicker, for looking at switch counts again. pid 0: every thread of the host. None
 * is missing that stays meanwhile.
 * -ESRCH: there is no such process.
 * The first visit that does not return 0 is the last, and its answer is ours.
 */
int thread_capture_list(struct thread_capture *capture, u32 pid, bool with_stacks,
			int (*visit)(void *ctx, const struct thread_record *record), void *ctx);

/* A thread that was interrupted while it ran. Both are valid during the visit. */
struct thread_sample {
	const struct sample *sample; /* whole: its Python part walked in the kernel, its native one not */
	const struct stack_record *stack; /* registers and a copy of its stack; NULL: could not be read */
};

/*
 * Samples these threads of the process on their own CPUs, each until its first
 * sample arrived, at most timeout_ns. layout and runtime are those of its CPython; its
 * PyThreadStates are found by the kernel side. Loads the sampling program at the
 * first call (60 ms of CPU). Returns 0 also when some thread did not run meanwhile, or
 * there are more than file descriptors: then there is no sample of it. Of more
 * than a thousand PyThreadStates the oldest are not found: SAMPLE_THREAD_LOOKUP.
 */
int thread_capture_sample(struct thread_capture *capture, const struct process_id *process,
			  const struct python_layout *layout, u64 runtime, const u32 *tids, size_t cnt, u64 timeout_ns,
			  int (*visit)(void *ctx, const struct thread_sample *sample), void *ctx);

#endif
