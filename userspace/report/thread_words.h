/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* thread_words.h - what a thread does, in words that all formats share. Pure. */
#ifndef PYPROF_THREAD_WORDS_H
#define PYPROF_THREAD_WORDS_H

#include "base/strbuf.h"
#include "dump/snapshot.h"

enum thread_activity {
	ACTIVITY_GONE, /* a PyThreadState without a living thread */
	ACTIVITY_ON_CPU,
	ACTIVITY_RUNNABLE, /* it waits for a CPU */
	ACTIVITY_WAITING, /* see its dump_wait */
	ACTIVITY_STOPPED, /* by a signal */
	ACTIVITY_TRACED, /* stopped by a debugger */
	ACTIVITY_EXITING,
	ACTIVITY_ZOMBIE,
};

/* What several threads that do the same have in common. Of one thread: itself. */
struct thread_span {
	const struct dump_thread *first;
	size_t cnt;
	u64 least_ns, most_ns; /* of off_cpu_ns */
	bool same_target; /* they all wait for the very same thing */
};

enum thread_activity thread_activity(const struct dump_thread *thread);
const char *activity_name(enum thread_activity activity); /* "on-cpu": for programs */

/* Why a process could not be looked into, from snapshot->err. */
struct error_words {
	int err;
	const char *name; /* for programs */
	const char *sentence;
	bool phase_says; /* the phase says it better, if it is one that says something */
};

/* NULL: it could be. An error that has no words of its own is "failed". */
const struct error_words *error_words_find(const struct snapshot *snapshot);
/* "850 ms", "12.4 s", "3 min 20 s", "2 h 5 min", "4 d 1 h" */
void duration_put(u64 ns, struct strbuf *b);
/* "3.15.0b2" from PY_VERSION_HEX */
void python_version_put(u32 version, struct strbuf *b);
/* Text of whoever, made fit for a line; NULL is "?". */
void clean_put(const char *text, struct strbuf *b);
/* "worker" of a Python thread in quotes, [comm] of one whose name is not known. */
void thread_name_put(const struct dump_thread *thread, struct strbuf *b);
/* NULL: none has this tid. */
const struct dump_thread *thread_find(const struct snapshot *snapshot, u32 tid);
/* "RLock 0x7f...", "the end" (of a thread), or what else is waited for; "" when there is nothing to say. */
void wait_target_put(const struct dump_wait *wait, struct strbuf *b);
/* "held by tid 5 "name" (inferred)"; only of a wait with an owner. */
void wait_owner_put(const struct snapshot *snapshot, const struct dump_wait *wait, struct strbuf *b);

struct thread_span thread_span_of(const struct dump_thread *thread);
/* "on CPU 3", "waiting for the GIL held by tid 13168", "in read() on fd 7 (socket 10.0.0.1:443) for 3.2 s" */
void thread_state_put(const struct snapshot *snapshot, const struct thread_span *span, struct strbuf *b);

#endif
