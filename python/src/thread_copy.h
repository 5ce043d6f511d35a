/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * thread_copy.h - one thread of this process at one instant: its registers, the
 * pieces of stack it stood on, and its Python frames. Asked for by thread_request.h,
 * read by tracer.h; plain data in between.
 *
 * It is filled in the thread itself, in a signal handler too: no allocation, no lock, nothing that faults. Of
 * a thread in a signal handler on a stack of its own (sigaltstack) there are two pieces: that stack up to its end,
 * and the one that it was left for, from the rsp that the kernel has saved.
 */
#ifndef STACKTRACE_THREAD_COPY_H
#define STACKTRACE_THREAD_COPY_H

#include <stdbool.h>
#include <stddef.h>

#include "pyprof/types.h"
#include "python/python_walk.h"
#include "unwind/stack_copy.h"

#define STACK_PIECE_CNT 2

struct thread_copy {
	u64 ident; /* its pthread_t, which Python calls threading.get_ident() */
	u64 registers[17]; /* as in stack_record */
	/* Innermost first, each from its rsp or somewhat below; `next` leads outward. The second's registers are in the first. */
	struct stack_copy pieces[STACK_PIECE_CNT];
	size_t piece_cnt;
	bool is_cut; /* a piece goes on beyond what was asked for */
	bool has_python;
	struct python_stack python; /* when has_python */
};

/* Where the bytes of the pieces go. There is room for COPY_ROOM_MIN at least, however little is wanted. */
#define COPY_ROOM_MIN 16384

struct copy_room {
	u8 *bytes[STACK_PIECE_CNT];
	size_t size; /* of each piece, at most */
};

/* Before the first is filled: what is to be asked of libc. */
void thread_copy_prepare(void);

/* Registers, pieces and is_cut; ret's ident is set before. ucontext: the kernel's, of what was interrupted. */
void thread_copy_fill(const void *ucontext, const struct copy_room *room, struct thread_copy *ret);

/* The same of the caller: its innermost frame is this function's. */
void thread_copy_fill_self(const struct copy_room *room, struct thread_copy *ret);

/* Bytes left of the alternate stack that a signal handler runs on; SIZE_MAX when it runs on none. */
size_t thread_copy_stack_left(const void *ucontext);

#endif
