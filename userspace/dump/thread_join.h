/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * thread_join.h - which PyThreadState is which thread of the kernel's: by the thread
 * pointer, which CPython calls the thread's ident. A thread may have several (one for
 * each sub-interpreter that it works for), and none.
 */
#ifndef PYPROF_THREAD_JOIN_H
#define PYPROF_THREAD_JOIN_H

#include "base/cleanup.h"
#include "dump/thread_reader.h"

struct thread_join {
	struct read_interpreter *interpreters; /* the main one first, by their ids */
	size_t interpreter_cnt, interpreter_capacity;
	struct read_thread *threads; /* by interpreter, the newest first; then those without a PyThreadState */
	size_t thread_cnt, thread_capacity;
};

/* Of the reader's process and its listing; the reader reads these threads then. */
int thread_join_make(struct thread_reader *reader, struct thread_join **ret);
void thread_join_free(struct thread_join *join);
DEFINE_CLEANUP(thread_join, struct thread_join *, thread_join_free)

/* After the stacks: who has gone is left out, and PyThreadStates of a thread that execute nothing beside one that does. */
void thread_join_settle(struct thread_join *join, struct thread_reader *reader);
/* What threading.Thread calls them. */
int thread_join_name(struct thread_join *join, struct thread_reader *reader);

#endif
