/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a copy (thread_copy.h) must have for a stack to be whole. */
#include "thread_copy.h"

#include <criterion/criterion.h>

#include "thread_target.h"
#include "tracer.h"

TestSuite(thread_copy, .timeout = 300);

/*
 * Says that it is ready, and waits, between `leave` and `ret`: its caller's rbp is restored, and as compilers have it,
 * the unwind information goes on to say where it was saved, which is below rsp now.
 */
__asm__(".pushsection .text\n"
	".globl stand_at_return\n"
	".type stand_at_return, @function\n"
	"stand_at_return:\n\t"
	".cfi_startproc\n\t"
	"pushq %rbp\n\t"
	".cfi_def_cfa_offset 16\n\t"
	".cfi_offset %rbp, -16\n\t"
	"movq %rsp, %rbp\n\t"
	".cfi_def_cfa_register %rbp\n\t"
	"leave\n\t"
	".cfi_def_cfa %rsp, 8\n\t"
	"movb $1, (%rdi)\n"
	"1:\n\t"
	"cmpb $0, (%rsi)\n\t"
	"je 1b\n\t"
	"ret\n\t"
	".cfi_endproc\n\t"
	".size stand_at_return, . - stand_at_return\n"
	".popsection\n");
void stand_at_return(atomic_bool *is_ready, const atomic_bool *is_over);

/* Its frame is found by rbp only. */
static __attribute__((noinline, noclone, optimize("no-omit-frame-pointer"))) char
stand_with_array(struct target *target, size_t size)
{
	volatile char array[size];

	array[0] = 1;
	stand_at_return(&target->is_ready, &target->is_over);
	return array[0];
}

static __attribute__((noinline, noclone)) void work_at_return(struct target *target)
{
	stand_with_array(target, 1000 + target->tid % 1000);
	__asm__ volatile("" ::: "memory");
}

Test(thread_copy, a_thread_about_to_return_has_its_callers)
{
	static const char *const names[] = {"stand_at_return", "stand_with_array", "work_at_return", "target_stand",
					    "target_main"};
	struct target target = {.work = work_at_return};
	_cleanup_(tracer) struct tracer *tracer = NULL;
	struct traced_stack stack;
	bool needs_more;

	target_start(&target);
	struct thread_request *request = ask_for(&target, STACK_SIZE);
	cr_assert_eq(tracer_new(&tracer), 0);
	cr_assert_eq(tracer_trace(tracer, thread_request_copy(request), 100, &stack, &needs_more), 0);
	cr_assert_geq(stack.cnt, sizeof(names) / sizeof(*names), "%zu frames", stack.cnt);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		cr_assert_str_eq(stack.frames[i].function, names[i], "frame %zu", i);
	traced_stack_free(&stack);
	cr_assert(thread_request_free(request));
	target_stop(&target);
}
