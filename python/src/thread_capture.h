/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * thread_capture.h - copies what a thread stands on: registers and pieces of stack. Runs in
 * this thread, in a signal handler too: no allocation, no lock, nothing that faults.
 *
 * Of a signal handler on a stack of its own (sigaltstack) there are two pieces: that stack up to its end, and
 * the one that it was left for, from the rsp that the kernel has saved.
 */
#ifndef STACKTRACE_THREAD_CAPTURE_H
#define STACKTRACE_THREAD_CAPTURE_H

#include <stddef.h>

#include "thread_copy.h"

/* Where the pieces go. Each has room for so much at least, whatever is asked for. */
#define CAPTURE_ROOM_MIN 16384

struct capture_room {
	u8 *bytes[STACK_PIECE_CNT];
	size_t size; /* of each piece, at most */
};

/* Once, before any signal: what is asked of libc. */
void thread_capture_init(void);

/* Fills registers, pieces and is_cut; ident is known. What ucontext says was interrupted, in the kernel's form. */
void thread_capture_interrupted(const void *ucontext, const struct capture_room *room, struct thread_copy *copy);

/* The caller itself: its innermost frame is this function's. */
void thread_capture_self(const struct capture_room *room, struct thread_copy *copy);

/* Bytes left on the alternate stack that a signal handler runs on; SIZE_MAX when it runs on none. */
size_t thread_capture_stack_left(const void *ucontext);

#endif
