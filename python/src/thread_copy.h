/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * thread_copy.h - one thread of this process at one instant: its registers, the
 * pieces of stack it stood on, and its Python frames. Made by thread_request.h,
 * read by tracer.h; plain data in between.
 */
#ifndef STACKTRACE_THREAD_COPY_H
#define STACKTRACE_THREAD_COPY_H

#include <stddef.h>

#include "pyprof/types.h"
#include "python/python_walk.h"
#include "unwind/stack_copy.h"

/* A thread that was interrupted while it handled a signal on a stack of its own stands on two. */
#define STACK_PIECE_CNT 2

struct thread_copy {
	u64 ident; /* its pthread_t, which Python calls threading.get_ident() */
	u64 registers[17]; /* as in stack_record */
	/* Innermost first, each from its rsp up; `next` leads from one to the other. Of the second no registers are known but by unwinding. */
	struct stack_copy pieces[STACK_PIECE_CNT];
	size_t piece_cnt;
	bool is_cut; /* a piece goes on beyond what was asked for */
	bool has_python;
	struct python_stack python; /* when has_python */
};

#endif
