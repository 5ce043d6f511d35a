/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How much of an alternate signal stack a request (thread_request.h) takes: never more than there is. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "thread_request.h"
#include "thread_target.h"

#define MEMORY_SIZE 65536
#define PAINT	    0x5a

/* For a refusal, with room to spare. */
#define REFUSAL_STACK_SIZE 256

/* Sanitizers make frames several times as large; what counts is what is shipped. */
#ifdef __SANITIZE_ADDRESS__
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

TestSuite(thread_room, .timeout = 300, .disabled = IS_SANITIZED);

static u8 *memory; /* the alternate stack is the end of it */
static size_t saved_size; /* what the kernel puts there before a handler */

static void use_stack(size_t size)
{
	stack_t stack = {.ss_sp = memory + MEMORY_SIZE - size, .ss_size = size};

	if (!size)
		stack.ss_flags = SS_DISABLE;
	cr_assert_eq(sigaltstack(&stack, NULL), 0);
}

/* Its return address is the last that the kernel has put there. */
static void note_saved_size(int number)
{
	saved_size = (u64)memory + MEMORY_SIZE - ((u64)__builtin_frame_address(0) + 8);
}

static void set_up(void)
{
	struct sigaction action = {.sa_handler = note_saved_size, .sa_flags = SA_ONSTACK};

	memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(memory, MAP_FAILED);
	use_stack(MEMORY_SIZE);
	cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
	raise(SIGUSR1);
	use_stack(0);
	cr_assert_lt(saved_size, MEMORY_SIZE / 2);
	/* What is loaded and bound at first use is not ours. */
	struct target target = {.work = work_busy};
	target_start(&target);
	thread_request_free(ask_for(&target, STACK_SIZE));
	target_stop(&target);
	memset(memory, PAINT, MEMORY_SIZE);
}

#define RoomTest(name) Test(thread_room, name, .init = set_up)

static void work_on_stack(struct target *target)
{
	use_stack((size_t)target->other_stack);
	work_busy(target);
	use_stack(0);
}

/* What a thread with so much for the handler answers. */
static int answer_with(size_t left)
{
	struct target target = {.work = work_on_stack, .other_stack = (void *)(saved_size + left)};
	struct thread_request *request;

	target_start(&target);
	struct thread_question question = question_of(&target);
	int err = ask(&question, ENOUGH_NS, &request);
	if (!err)
		thread_request_free(request);
	target_stop(&target);
	return err;
}

/* Of all that was on the stack, below what the kernel has put there. */
static size_t painted_over(void)
{
	size_t i = 0;

	while (memory[i] == PAINT)
		i++;
	return MEMORY_SIZE - saved_size - i;
}

RoomTest(an_answer_takes_less_than_it_demands)
{
	cr_assert_eq(answer_with(MEMORY_SIZE / 4), 0);
	cr_assert_leq(painted_over(), ANSWER_STACK_SIZE, "%zu bytes", painted_over());
}

RoomTest(a_refusal_takes_little)
{
	cr_assert_eq(answer_with(ANSWER_STACK_SIZE - 1), -EAGAIN);
	cr_assert_leq(painted_over(), REFUSAL_STACK_SIZE, "%zu bytes", painted_over());
}

RoomTest(nothing_is_written_below_a_stack_whatever_its_size)
{
	for (size_t left = REFUSAL_STACK_SIZE; left < 3 * ANSWER_STACK_SIZE; left += 32) {
		int err = answer_with(left);

		cr_assert_leq(painted_over(), left, "of %zu bytes %zu were used", left, painted_over());
		cr_assert(err == -EAGAIN || (!err && left > ANSWER_STACK_SIZE), "%zu bytes: %d", left, err);
		cr_assert(!err || left < ANSWER_STACK_SIZE + REFUSAL_STACK_SIZE, "%zu bytes: %d", left, err);
	}
}
