/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Many requests (thread_request.h) at once. */
#include "thread_request.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>

#include "base/clock.h"
#include "thread_target.h"

#define CALLERS	   20
#define STORM	   20000
#define BATCH	   100
#define LEAST	   1000
#define STORM_NS   (3 * NS_PER_S)
#define SHARED_CNT 200

TestSuite(thread_crowd, .init = note_dispositions, .timeout = 300);

/* Asks the other again and again. */
static void work_ask(struct target *target)
{
	target->is_ready = true;
	for (int i = 0; i < SHARED_CNT; i++) {
		struct thread_request *request = ask_for(target->other, STACK_SIZE);

		check_copy(target->other, thread_request_copy(request));
		cr_assert(thread_request_free(request));
	}
}

Test(thread_crowd, two_callers_ask_one_thread)
{
	struct target asked = {.work = work_busy}, callers[2];

	target_start(&asked);
	for (int i = 0; i < 2; i++) {
		callers[i] = (struct target){.work = work_ask, .other = &asked};
		target_start(&callers[i]);
	}
	for (int i = 0; i < 2; i++)
		target_stop(&callers[i]);
	target_stop(&asked);
	cr_assert_eq(changed_disposition(), 0);
}

Test(thread_crowd, twenty_callers_ask_twenty_threads)
{
	static struct target asked[CALLERS], callers[CALLERS];

	for (int i = 0; i < CALLERS; i++) {
		asked[i].work = i % 4 ? work_futex : work_malloc;
		target_start(&asked[i]);
	}
	for (int i = 0; i < CALLERS; i++) {
		callers[i] = (struct target){.work = work_ask, .other = &asked[i]};
		target_start(&callers[i]);
	}
	for (int i = 0; i < CALLERS; i++)
		target_stop(&callers[i]);
	for (int i = 0; i < CALLERS; i++)
		target_stop(&asked[i]);
	cr_assert_eq(changed_disposition(), 0);
}

/* Each the other, and itself. */
static void work_ask_around(struct target *target)
{
	struct thread_question self = {.stack_size = STACK_SIZE};

	target->thread = pthread_self();
	target->is_ready = true;
	while (!target->other->is_ready)
		;
	for (int i = 0; i < SHARED_CNT; i++) {
		struct thread_request *request = ask_for(target->other, STACK_SIZE);

		check_copy(target->other, thread_request_copy(request));
		cr_assert(thread_request_free(request));
		cr_assert_eq(thread_request_self(&self, &request), 0);
		check_copy(target, thread_request_copy(request));
		cr_assert(thread_request_free(request));
	}
	target->is_over = true;
	while (!target->other->is_over)
		;
}

Test(thread_crowd, two_threads_ask_each_other)
{
	static struct target one = {.work = work_ask_around}, two = {.work = work_ask_around};

	one.other = &two;
	two.other = &one;
	target_start(&one);
	target_start(&two);
	pthread_join(one.thread, NULL);
	pthread_join(two.thread, NULL);
	cr_assert_eq(changed_disposition(), 0);
}

/* Ever new ones, of which some end while they are asked. */
static void work_short(struct target *target)
{
	target->is_ready = true;
}

static void work_make_threads(struct target *target)
{
	target->is_ready = true;
	while (!target->is_over) {
		struct target other = {.work = work_short};
		struct thread_request *request;

		target_start(&other);
		struct thread_question question = question_of(&other);
		int err = ask(&question, ENOUGH_NS, &request);
		cr_assert(!err || err == -ESRCH || err == -EAGAIN, "%d", err);
		if (!err)
			cr_assert(thread_request_free(request));
		pthread_join(other.thread, NULL);
	}
}

static void check_pattern(const struct target *targets, int cnt, const struct thread_copy *copy)
{
	for (int i = 0; i < cnt; i++) {
		if ((u64)targets[i].thread == copy->ident) {
			check_copy(&targets[i], copy);
			return;
		}
	}
	cr_assert_fail("a thread that nobody asked");
}

/* One after the other would measure the scheduler: so many are under way at once. How many were answered. */
static int ask_batch(const struct target *targets, int cnt)
{
	struct thread_request *requests[BATCH];
	int sent = 0, answered = 0;

	for (int i = 0; i < BATCH; i++) {
		struct thread_question question = question_of(&targets[i % cnt]);
		int err = thread_request_send(&question, &requests[sent]);

		cr_assert(!err || err == -EAGAIN, "%d", err);
		sent += !err;
	}
	for (int i = 0; i < sent; i++) {
		int err = thread_request_wait(requests[i], clock_monotonic_ns() + ENOUGH_NS);

		cr_assert(!err || err == -ETIMEDOUT, "%d", err);
		answered += !err;
		if (!err)
			check_pattern(targets, cnt, thread_request_copy(requests[i]));
		cr_assert(thread_request_free(requests[i]));
	}
	return answered;
}

Test(thread_crowd, threads_that_allocate_load_fork_and_make_threads_are_asked_without_an_end)
{
	static struct target targets[] = {
		{.work = work_malloc}, {.work = work_dlopen}, {.work = work_fork}, {.work = work_make_threads}};
	enum { CNT = sizeof(targets) / sizeof(*targets) };
	u64 start_ns = clock_monotonic_ns();
	int asked = 0, answered = 0;

	for (int i = 0; i < CNT; i++)
		target_start(&targets[i]);
	for (; asked < LEAST || (asked < STORM && clock_monotonic_ns() - start_ns < STORM_NS); asked += BATCH)
		answered += ask_batch(targets, CNT);
	for (int i = 0; i < CNT; i++)
		target_stop(&targets[i]);
	cr_assert_eq(changed_disposition(), 0);
	cr_log_info("%d asked, %d answered", asked, answered);
	cr_assert_geq(answered, asked - asked / 100);
}
