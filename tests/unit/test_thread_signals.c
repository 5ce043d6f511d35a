/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Requests (thread_request.h) in a program that reads signals without handlers: all that were sent to it are there. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "thread_request.h"
#include "thread_target.h"

#define SHORT_NS (50 * NS_PER_MS)

TestSuite(thread_signals, .init = note_dispositions, .timeout = 300);

static void block_all(void)
{
	sigset_t all;

	sigfillset(&all);
	cr_assert_eq(pthread_sigmask(SIG_BLOCK, &all, NULL), 0);
}

static bool is_pending(int number)
{
	sigset_t pending;

	return !sigpending(&pending) && sigismember(&pending, number);
}

/* Asked and not answered. The signal that it was asked by; 0: it was not. */
static int signal_of(const struct target *target)
{
	struct thread_question question = question_of(target);
	struct thread_request *request;
	int err = thread_request_send(&question, &request);

	if (err) {
		cr_assert_eq(err, -EAGAIN);
		return 0;
	}
	int number = changed_disposition();
	cr_assert_eq(thread_request_wait(request, clock_monotonic_ns() + SHORT_NS), -ETIMEDOUT);
	cr_assert(thread_request_free(request));
	cr_assert_eq(changed_disposition(), 0);
	return number;
}

Test(thread_signals, a_program_that_blocks_them_in_all_threads_keeps_them)
{
	struct target target = {.work = work_busy};

	block_all();
	target_start(&target);
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		cr_assert_eq(kill(getpid(), number), 0);
	cr_assert_eq(signal_of(&target), 0);
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		cr_assert(is_pending(number), "signal %d was lost", number);
	target_stop(&target);
}

static void work_blocking_all(struct target *target)
{
	block_all();
	work_busy(target);
}

Test(thread_signals, a_thread_that_blocks_all_but_libc_s_means_it)
{
	struct target target = {.work = work_blocking_all};

	target_start(&target);
	cr_assert_eq(signal_of(&target), 0);
	target_stop(&target);
}

static void work_as_libc(struct target *target)
{
	block_as_libc();
	work_busy(target);
}

Test(thread_signals, one_that_the_caller_blocks_is_not_used_where_the_target_blocks_all_for_an_instant)
{
	struct target target = {.work = work_as_libc};
	sigset_t set;

	target_start(&target);
	int number = signal_of(&target);
	cr_assert_geq(number, SIGRTMIN);
	sigemptyset(&set);
	sigaddset(&set, number);
	cr_assert_eq(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	int other = signal_of(&target);
	cr_assert_geq(other, SIGRTMIN);
	cr_assert_neq(other, number);
	block_all();
	cr_assert_eq(signal_of(&target), 0);
	target_stop(&target);
}

/* They are all there when it has ended waiting. */
static void work_as_libc_with_pending(struct target *target)
{
	block_as_libc();
	for (int number = SIGRTMIN + 4; number <= SIGRTMAX; number++)
		cr_assert_eq(syscall(SYS_tgkill, getpid(), target->tid, number), 0);
	work_busy(target);
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		target->signals_seen += is_pending(number);
}

Test(thread_signals, one_that_waits_for_the_target_is_not_used)
{
	struct target target = {.work = work_as_libc_with_pending};

	target_start(&target);
	int number = signal_of(&target);
	cr_assert_geq(number, SIGRTMIN);
	cr_assert_lt(number, SIGRTMIN + 4);
	target_stop(&target);
	cr_assert_eq(target.signals_seen, SIGRTMAX - SIGRTMIN - 3);
}

static void work_as_libc_then_sleep(struct target *target)
{
	block_as_libc();
	target->is_ready = true;
	while (!__atomic_load_n(&target->futex, __ATOMIC_SEQ_CST))
		;
	work_nanosleep(target);
}

Test(thread_signals, one_that_a_thread_asleep_blocks_after_it_was_asked_is_withdrawn_early)
{
	struct target target = {.work = work_as_libc_then_sleep};
	struct thread_request *request;

	target_start(&target);
	struct thread_question question = question_of(&target);
	cr_assert_eq(thread_request_send(&question, &request), 0);
	__atomic_store_n(&target.futex, 1, __ATOMIC_SEQ_CST);
	u64 start_ns = clock_monotonic_ns();
	cr_assert_eq(thread_request_wait(request, start_ns + 200 * NS_PER_S), -EAGAIN);
	cr_assert_lt(clock_monotonic_ns() - start_ns, 60 * NS_PER_S);
	cr_assert(thread_request_free(request));
	cr_assert_eq(changed_disposition(), 0);
	target_stop(&target);
}
