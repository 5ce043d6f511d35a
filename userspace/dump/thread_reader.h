/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * thread_reader.h - the stacks of all threads of a process, each as it was at one
 * instant. Threads are read where they stand, a few at a time; what was read counts
 * when the kernel says afterwards that the thread did not run meanwhile. Who never
 * holds still is sampled on its own CPU in the end.
 */
#ifndef PYPROF_THREAD_READER_H
#define PYPROF_THREAD_READER_H

#include "capture/thread_capture.h"
#include "dump/snapshot.h"
#include "process/process.h"
#include "inspect/gil.h"
#include "dump/stack_reader.h"
#include "dump/thread_listing.h"

/* An interpreter, and its GIL as it was read last. */
struct read_interpreter {
	u64 address;
	u32 id;
	struct python_gil gil;
};

/* All interpreters have one GIL, or each has its own. */
static inline bool interpreters_share_gil(const struct read_interpreter *a, const struct read_interpreter *b)
{
	return a && b && a->gil.start == b->gil.start;
}

/* A thread to be read. */
struct read_thread {
	struct dump_thread thread; /* what is known so far, and then its stack */
	const struct read_interpreter *interpreter; /* NULL: has no PyThreadState */
	struct stack_frames stack;
	u64 read_ns; /* when its stack was read */
	bool is_done; /* the stack is believed, or there is none to be had */
	bool is_gone; /* it has ended, or its PyThreadState is not its own any more */
};

struct thread_reader {
	const struct snapshot_options *options;
	struct thread_capture *capture;
	const struct process *process;
	const struct python_objects *objects; /* NULL: no GIL to be read */
	u64 current; /* as gil_read() wants it */
	struct stack_reader *stacks;
	struct snapshot *snapshot; /* gets what is read */
	struct thread_listing *now; /* the last look at all threads; goes in as the first */
	struct thread_listing *before; /* the one before */
	struct read_thread *threads;
	size_t cnt;
	const struct thread_listing *awake; /* frozen: the last look before that; else NULL */
};

int thread_reader_read(struct thread_reader *reader);

/* Looks at all threads once more: `now` becomes `before`. */
int thread_reader_look(struct thread_reader *reader);
/* From now on it is this thread's of the kernel's. */
void read_thread_own(struct read_thread *thread, const struct thread_record *record);
/* What it is at, from its record in a listing: without our own stopping it. */
void read_thread_record(const struct thread_reader *reader, struct read_thread *thread,
			const struct thread_record *record);
/* Asked when it is missing from a listing. */
bool read_thread_has_ended(const struct thread_reader *reader, const struct read_thread *thread);

#endif
