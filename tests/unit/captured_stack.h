/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * captured_stack.h - a thread's registers and a copy of its stack, as the kernel side
 * would send them, taken by the thread itself in the midst of calls that it knows;
 * and what glibc's backtrace() said at the same place.
 */
#ifndef PYPROF_TESTS_CAPTURED_STACK_H
#define PYPROF_TESTS_CAPTURED_STACK_H

#include "pyprof/record.h"

#define CAPTURED_FRAMES_MAX 2048

struct captured_stack {
	struct stack_record record;
	u8 bytes[MAX_STACK_COPY];
	void *callers[CAPTURED_FRAMES_MAX]; /* return addresses, the function that took them first */
	int caller_cnt;
};

typedef void (*captured_fn)(struct captured_stack *stack);

/* Runs way in a thread of its own: it shall call others and at last one of the next. */
void captured_stack_take(struct captured_stack *stack, captured_fn way);

/* The end of a way. Its frames are: assembly (the leaf of the record), then itself, the first of callers. */
void captured_stack_end(struct captured_stack *stack);
/* The same, but the assembly has no call frame information. */
void captured_stack_end_bare(struct captured_stack *stack);

/* Ways through hand-written frames; each calls next. */
void captured_through_rbx(struct captured_stack *stack, captured_fn next); /* CFA in rbx */
void captured_through_expression(struct captured_stack *stack, captured_fn next); /* CFA: an expression with an xor */
void captured_through_division(struct captured_stack *stack, captured_fn next); /* an expression that nobody may run */
void captured_through_lie(struct captured_stack *stack, captured_fn next); /* CFA below rsp */
/* As many frames of 16 bytes each. */
void captured_through_frames(struct captured_stack *stack, captured_fn next, u64 cnt);
/* An illegal instruction, the first of its function: next is called by the handler. Does not return. */
void captured_illegal(struct captured_stack *stack);
/* A sigreturn without call frame information, as musl's. */
void captured_bare_sigreturn(void);

#endif
