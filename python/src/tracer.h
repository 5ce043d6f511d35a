/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tracer.h - from a thread's copy (thread_copy.h) to a stack with names: the profiler's
 * own way (unwind/fallback.h, elf/, symbolize/), on this process.
 *
 * Keeps what it learned of the mapped files. Not for two threads at once: its
 * caller has the lock. After fork() the child makes a new one.
 */
#ifndef STACKTRACE_TRACER_H
#define STACKTRACE_TRACER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/types.h"
#include "thread_copy.h"

/* Of C: the function's symbol as the file has it, without what compilers append. Of Python: co_qualname, else co_name. */
struct traced_frame {
	u64 address; /* of C: the instruction that was interrupted, else the return address. Of Python: code object + byte offset of the instruction */
	u64 start; /* of the function; of Python the code object. `address` when not known */
	const char *function; /* UTF-8; "?" when not known. Of Python with all characters that it has, as `file` */
	const char *file; /* Python: co_filename, in the file system's bytes. C: of the library, "" when in none */
	u32 line; /* Python; 0: unknown */
	bool is_python; /* a frame of Python, not of C */
};

struct traced_stack {
	struct traced_frame *frames; /* innermost first */
	size_t cnt;
	char *text; /* of their names */
};

struct tracer;

int tracer_new(struct tracer **ret);
void tracer_free(struct tracer *tracer);
DEFINE_CLEANUP(tracer, struct tracer *, tracer_free)

/*
 * What a request needs for Python frames: the thread's PyThreadState, and a walker, which is the caller's now: to be
 * given back when nobody uses it any more. -ENOENT: the thread has no state. -ENOTSUP: a CPython that we do not know.
 */
int tracer_take_walker(struct tracer *tracer, u64 ident, u64 *ret_state, struct python_walker **ret_walker);
void tracer_give_walker(struct tracer *tracer, struct python_walker *walker);

/*
 * At most max_cnt frames; frames of this library's own at the inner end are left out. ret's memory is the caller's
 * (traced_stack_free). *ret_needs_more: the walk ended where the copied stack did, with fewer frames than wanted.
 */
int tracer_trace(struct tracer *tracer, const struct thread_copy *copy, size_t max_cnt, struct traced_stack *ret,
		 bool *ret_needs_more);
void traced_stack_free(struct traced_stack *stack);

#endif
