/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * stack_reader.h - the stacks of the threads of one process, one at a time, as
 * frames of a snapshot: of a thread that does not run from its memory, of one that
 * runs from a sample. Both become a sample that the assembler puts together, as it
 * does for profiles. What was named once is known the next time.
 *
 * Whether the thread held still while it was read is the caller's to know.
 */
#ifndef PYPROF_STACK_READER_H
#define PYPROF_STACK_READER_H

#include "base/cleanup.h"
#include "capture/thread_capture.h"
#include "dump/snapshot.h"
#include "process/process.h"
#include "inspect/await_chain.h"
#include "inspect/object.h"
#include "python/python_walk.h"

struct stack_reader;

/* objects: NULL where nothing is known of this version's objects, and so of variables. What is given but options is borrowed. */
int stack_reader_new(const struct snapshot_options *options, struct process_table *processes, struct process *process,
		     const struct python_objects *objects, struct stack_reader **ret);
void stack_reader_free(struct stack_reader *reader);
DEFINE_CLEANUP(stack_reader, struct stack_reader *, stack_reader_free)

/* It has learned so much that a new one should take its place. */
bool stack_reader_is_full(const struct stack_reader *reader);

/* Frames in a snapshot. Native ones have their names after stack_reader_name(). */
struct stack_frames {
	struct dump_frame *frames; /* innermost first */
	u32 *ids; /* in the reader's frame table */
	size_t cnt, python_cnt;
	u8 loss; /* as in struct dump_thread */
	u64 anchor; /* of its innermost Python run: where on a C stack that is; 0: not known */
};

/* A thread as it stands. state: its PyThreadState, or 0; ident: the thread pointer that is in there. -ESRCH: the state is none of this thread's any more. */
int stack_reader_rest(struct stack_reader *reader, struct snapshot *snapshot, const struct thread_record *record,
		      u64 state, u64 ident, struct stack_frames *ret);
/* Frames that somebody else has found, of no thread: of a coroutine that is suspended, say. */
int stack_reader_given(struct stack_reader *reader, struct snapshot *snapshot, const struct asyncio_frame *frames,
		       size_t cnt, struct stack_frames *ret);
int stack_reader_sample(struct stack_reader *reader, struct snapshot *snapshot, const struct thread_sample *sample,
			struct stack_frames *ret);

/*
 * The Python frames of a thread that stands as they are in its memory, for who looks for more in
 * them; *ret is valid until the next call. -ESRCH as above.
 */
int stack_reader_python(struct stack_reader *reader, const struct thread_record *record, u64 state, u64 ident,
			const struct python_stack **ret);

/* Once all stacks are there: opens files. */
int stack_reader_name_all(struct stack_reader *reader);
int stack_reader_name(struct stack_reader *reader, struct snapshot *snapshot, struct stack_frames *frames);

#endif
