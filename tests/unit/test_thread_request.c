/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "thread_request.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "thread_target.h"

#define WHOLE_STACK (8u << 20)

TestSuite(thread_request, .init = note_dispositions, .timeout = 300);

static void ask_while(void (*work)(struct target *))
{
	struct target target = {.work = work};

	target_start(&target);
	for (int i = 0; i < 20; i++) {
		struct thread_question question = question_of(&target);
		struct thread_request *request = NULL;

		cr_assert_eq(ask(&question, ENOUGH_NS, &request), 0);
		check_copy(&target, thread_request_copy(request));
		cr_assert(thread_request_free(request));
	}
	target_stop(&target);
	cr_assert_eq(changed_disposition(), 0);
}

Test(thread_request, a_thread_in_nanosleep_gives_its_stack)
{
	ask_while(work_nanosleep);
}

Test(thread_request, a_thread_that_reads_gives_its_stack_and_goes_on_reading)
{
	ask_while(work_read);
}

Test(thread_request, a_thread_that_waits_for_a_futex_gives_its_stack)
{
	ask_while(work_futex);
}

Test(thread_request, a_busy_thread_gives_its_stack)
{
	ask_while(work_busy);
}

Test(thread_request, a_thread_in_malloc_gives_its_stack)
{
	ask_while(work_malloc);
}

Test(thread_request, a_thread_in_the_dynamic_linker_gives_its_stack)
{
	ask_while(work_dlopen);
}

Test(thread_request, a_thread_that_forks_gives_its_stack)
{
	ask_while(work_fork);
}

/* Registers that a compiler never sees: all of them known, in two instructions. */
static void work_registers(struct target *target)
{
	target->is_ready = true;
	__asm__ volatile("pushq %%rbx\n\t"
			 "pushq %%rbp\n\t"
			 "movq $0x1000, %%rax\n\t"
			 "movq $0x1001, %%rdx\n\t"
			 "movq $0x1002, %%rcx\n\t"
			 "movq $0x1003, %%rbx\n\t"
			 "movq $0x1004, %%rsi\n\t"
			 "movq $0x1006, %%rbp\n\t"
			 "movq $0x1008, %%r8\n\t"
			 "movq $0x1009, %%r9\n\t"
			 "movq $0x100a, %%r10\n\t"
			 "movq $0x100b, %%r11\n\t"
			 "movq $0x100c, %%r12\n\t"
			 "movq $0x100d, %%r13\n\t"
			 "movq $0x100e, %%r14\n\t"
			 "movq $0x100f, %%r15\n"
			 ".globl registers_loop, registers_loop_end\n"
			 "registers_loop:\n\t"
			 "cmpb $0, (%%rdi)\n\t"
			 "je registers_loop\n"
			 "registers_loop_end:\n\t"
			 "popq %%rbp\n\t"
			 "popq %%rbx"
			 :
			 : "D"(&target->is_over)
			 : "rax", "rdx", "rcx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory");
}

extern const char registers_loop[], registers_loop_end[];

Test(thread_request, registers_are_those_of_the_instruction_that_was_interrupted)
{
	struct target target = {.work = work_registers};
	struct thread_request *request = NULL;
	const struct thread_copy *copy;
	int tries = 0;

	target_start(&target);
	struct thread_question question = question_of(&target);
	/* It is ready a few instructions before the loop. */
	do {
		cr_assert_lt(tries++, 100);
		if (request)
			thread_request_free(request);
		cr_assert_eq(ask(&question, ENOUGH_NS, &request), 0);
		copy = thread_request_copy(request);
	} while (copy->registers[DWARF_RIP] < (u64)registers_loop ||
		 copy->registers[DWARF_RIP] >= (u64)registers_loop_end);
	for (u64 i = 0; i < DWARF_RIP; i++) {
		if (i != DWARF_RDI && i != DWARF_RSP)
			cr_assert_eq(copy->registers[i], 0x1000 + i, "register %d is %llx", (int)i, copy->registers[i]);
	}
	cr_assert_eq(copy->registers[DWARF_RDI], (u64)&target.is_over);
	check_copy(&target, copy);
	thread_request_free(request);
	target_stop(&target);
}

/*
 * The calling thread
 */

static void work_self(struct target *target)
{
	struct thread_question question = {.stack_size = STACK_SIZE};
	struct thread_request *request = NULL;

	target->thread = pthread_self();
	cr_assert_eq(thread_request_self(&question, &request), 0);
	cr_assert_eq(thread_request_wait(request, 0), 0);
	check_copy(target, thread_request_copy(request));
	cr_assert(thread_request_free(request));
}

Test(thread_request, the_first_thread_asks_itself)
{
	target_stand(&(struct target){.work = work_self});
	cr_assert_eq(changed_disposition(), 0);
}

Test(thread_request, another_thread_asks_itself)
{
	struct target target = {.work = work_self};

	cr_assert_eq(pthread_create(&target.thread, NULL, target_main, &target), 0);
	pthread_join(target.thread, NULL);
}

Test(thread_request, a_thread_that_blocks_all_signals_asks_itself)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	target_stand(&(struct target){.work = work_self});
}

/* Its frames are those of a real chain: the return address of the capturing function leads to who called it. */
Test(thread_request, of_itself_a_thread_gives_registers_and_stack_of_one_instant)
{
	struct thread_question question = {.stack_size = STACK_SIZE};
	struct thread_request *request = NULL;
	u64 marker = PATTERN(7), word = 0;

	__asm__ volatile("" : : "r"(&marker) : "memory");
	cr_assert_eq(thread_request_self(&question, &request), 0);
	const struct thread_copy *copy = thread_request_copy(request);
	check_start(copy);
	cr_assert_lt(copy->registers[DWARF_RSP], (u64)&marker);
	cr_assert(stack_copy_read(&copy->pieces[0], (u64)&marker, &word));
	cr_assert_eq(word, PATTERN(7));
	Dl_info info;
	cr_assert(dladdr((void *)copy->registers[DWARF_RIP], &info));
	thread_request_free(request);
}

/*
 * How much of a stack
 */

Test(thread_request, a_stack_is_cut_at_the_size_that_was_asked_for)
{
	struct target target = {.work = work_busy};

	target_start(&target);
	struct thread_request *request = ask_for(&target, 256);
	cr_assert_eq(thread_request_copy(request)->pieces[0].size, 256);
	cr_assert(thread_request_copy(request)->is_cut);
	thread_request_free(request);
	target_stop(&target);
}

Test(thread_request, a_thread_s_whole_stack_ends_below_its_thread_structure)
{
	struct target target = {.work = work_busy};

	target_start(&target);
	struct thread_request *request = ask_for(&target, WHOLE_STACK);
	const struct stack_copy *piece = &thread_request_copy(request)->pieces[0];
	cr_assert_not(thread_request_copy(request)->is_cut);
	cr_assert_eq(piece->start + piece->size, (u64)target.thread);
	check_stand(&target, thread_request_copy(request), 0);
	thread_request_free(request);
	target_stop(&target);
}

extern char **environ;

static void work_ask_other(struct target *target)
{
	struct thread_request *request = ask_for(target->other, WHOLE_STACK);
	const struct thread_copy *copy = thread_request_copy(request);

	check_copy(target->other, copy);
	cr_assert_not(copy->is_cut);
	cr_assert_gt(copy->pieces[0].start + copy->pieces[0].size, (u64)environ);
	thread_request_free(request);
	target->other->is_over = true;
}

static void work_be_asked(struct target *target)
{
	struct target asking = {.work = work_ask_other, .other = target};

	target->thread = pthread_self();
	cr_assert_eq(pthread_create(&asking.thread, NULL, target_main, &asking), 0);
	work_busy(target);
	pthread_join(asking.thread, NULL);
}

Test(thread_request, the_first_thread_s_whole_stack_reaches_to_its_environment)
{
	target_stand(&(struct target){.work = work_be_asked});
}

Test(thread_request, kept_memory_serves_larger_and_smaller_requests)
{
	static const size_t sizes[] = {16384, 100, 1 << 20, 16384, 65536, 8 << 20, 16384};
	struct target target = {.work = work_busy};

	target_start(&target);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct thread_request *request = ask_for(&target, sizes[i]);

		cr_assert_leq(thread_request_copy(request)->pieces[0].size, sizes[i]);
		if (sizes[i] > 8192)
			check_copy(&target, thread_request_copy(request));
		thread_request_free(request);
	}
	target_stop(&target);
}

/*
 * Stacks that are not the thread's own
 */

/* The target stands on memory of malloc's, below and above of which is something else. (ASan warns of makecontext().) */
static void coroutine_run(struct target *target)
{
	const size_t size = 256 << 10;

	target->other_stack = malloc(size);
	__asm__ volatile("movq %%rsp, %%rbx\n\t"
			 "movq %0, %%rsp\n\t"
			 "call *%1\n\t"
			 "movq %%rbx, %%rsp"
			 :
			 : "r"(((u64)target->other_stack + size) & ~15ull), "r"(target_stand), "D"(target)
			 : "rbx", "rax", "rdx", "rcx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
	cr_assert_gt(target->frame, (u64)target->other_stack);
	cr_assert_lt(target->frame, (u64)target->other_stack + size);
	free(target->other_stack);
}

static void *coroutine_thread(void *arg)
{
	coroutine_run(arg);
	return NULL;
}

Test(thread_request, a_coroutine_asks_its_own_thread)
{
	coroutine_run(&(struct target){.work = work_self});
}

Test(thread_request, a_thread_in_a_coroutine_gives_that_one_s_stack)
{
	struct target target = {.work = work_busy};

	cr_assert_eq(pthread_create(&target.thread, NULL, coroutine_thread, &target), 0);
	while (!target.is_ready)
		sched_yield();
	struct thread_request *request = ask_for(&target, STACK_SIZE);
	check_copy(&target, thread_request_copy(request));
	thread_request_free(request);
	target_stop(&target);
}

static struct target *outer_target, *inner_target;

static void signal_stand(int number)
{
	target_stand(inner_target);
}

static void signal_on_other_stack(struct target *target, size_t size)
{
	stack_t stack = {.ss_sp = malloc(size), .ss_size = size};
	struct sigaction action = {.sa_handler = signal_stand, .sa_flags = SA_ONSTACK};

	target->other_stack = stack.ss_sp;
	cr_assert_eq(sigaltstack(&stack, NULL), 0);
	cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
	raise(SIGUSR1);
	stack.ss_flags = SS_DISABLE;
	cr_assert_eq(sigaltstack(&stack, NULL), 0);
	free(take(target->other_stack));
}

static void work_small_other_stack(struct target *target)
{
	signal_on_other_stack(target, 16 << 10);
}

static void work_large_other_stack(struct target *target)
{
	signal_on_other_stack(target, 1 << 20);
}

static void check_two_pieces(const struct thread_copy *copy)
{
	cr_assert_eq(copy->piece_cnt, 2);
	cr_assert_eq(copy->pieces[0].next, &copy->pieces[1]);
	cr_assert_null(copy->pieces[1].next);
	check_start(copy);
	check_stand(inner_target, copy, 0);
	check_stand(outer_target, copy, 1);
	/* Also by the chain. */
	u64 word = 0;
	cr_assert(stack_copy_read(&copy->pieces[0], outer_target->pattern, &word));
	cr_assert_eq(word, PATTERN(0));
}

static void ask_on_other_stack(void (*work)(struct target *))
{
	struct target outer = {.work = work}, inner = {.work = work_nanosleep};

	outer_target = &outer;
	inner_target = &inner;
	cr_assert_eq(pthread_create(&outer.thread, NULL, target_main, &outer), 0);
	while (!inner.is_ready)
		sched_yield();
	for (int i = 0; i < 10; i++) {
		struct thread_request *request = ask_for(&outer, STACK_SIZE);

		check_two_pieces(thread_request_copy(request));
		thread_request_free(request);
	}
	inner.is_over = true;
	pthread_join(outer.thread, NULL);
}

Test(thread_request, a_signal_handler_on_a_small_stack_of_its_own_gives_both_stacks)
{
	ask_on_other_stack(work_small_other_stack);
}

Test(thread_request, a_signal_handler_on_a_large_stack_of_its_own_gives_both_stacks)
{
	ask_on_other_stack(work_large_other_stack);
}

static void work_self_on_other_stack(struct target *target)
{
	struct thread_question question = {.stack_size = STACK_SIZE};
	struct thread_request *request = NULL;

	cr_assert_eq(thread_request_self(&question, &request), 0);
	check_two_pieces(thread_request_copy(request));
	cr_assert(thread_request_free(request));
}

Test(thread_request, a_signal_handler_on_a_stack_of_its_own_asks_its_own_thread)
{
	struct target outer = {.work = work_small_other_stack}, inner = {.work = work_self_on_other_stack};

	outer_target = &outer;
	inner_target = &inner;
	target_stand(&outer);
	cr_assert_neq(inner.frame, 0);
}
