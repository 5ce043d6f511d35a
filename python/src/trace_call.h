/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * trace_call.h - one trace of one thread, with the tracer that all of this process share: asks the thread
 * for its copy (thread_request.h), with more of its stack where that was too little, and names it (tracer.h).
 *
 * Locks, outermost first: what the caller holds (a GIL, of any interpreter), then the tracer's. Who has the
 * tracer never waits for a GIL, runs no Python code and makes no object of Python's, for that may
 * collect garbage, whose finalizers may call us.
 */
#ifndef STACKTRACE_TRACE_CALL_H
#define STACKTRACE_TRACE_CALL_H

#include <stdbool.h>
#include <stddef.h>

#include "pyprof/types.h"
#include "tracer.h"

struct trace_call {
	u64 ident; /* pthread_t */
	size_t max_cnt; /* frames */
	bool wants_python; /* frames of Python, too */
	/* Gives up what others wait for, before it takes long; at most once. NULL: nothing is held. */
	void (*release)(void *held);
	void *held;
	bool is_unknown_python; /* out: what -ENOTSUP is about; else it is the C library */
};

/* Before the first trace, by any number of threads. -ENOMEM. */
int trace_call_prepare(void);

/*
 * *ret's memory is the caller's (traced_stack_free). At the latest after 1 s: -ETIMEDOUT. -ESRCH, -EAGAIN: as thread_request_send().
 * Other errors are those of tracer.h.
 */
int trace_call_run(struct trace_call *call, struct traced_stack *ret);

/* No such thread, or none that can answer: it has no stack to show. Of an error of trace_call_run(). */
bool trace_call_is_absence(int err);

#endif
