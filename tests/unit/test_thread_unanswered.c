/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Requests (thread_request.h) that cannot be answered, or not now: in bounded time, and nothing is left behind. */
#include "thread_request.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "thread_target.h"

#define SHORT_NS (50 * NS_PER_MS)

TestSuite(thread_unanswered, .init = note_dispositions, .timeout = 300);

/* At once. */
static int refusal_of(u64 ident)
{
	struct thread_question question = {.ident = ident, .stack_size = STACK_SIZE};
	struct thread_request *request;
	u64 start_ns = clock_monotonic_ns();
	int err = thread_request_send(&question, &request);

	cr_assert_lt(clock_monotonic_ns() - start_ns, 10 * NS_PER_S);
	return err;
}

/*
 * Those who are none
 */

static void work_nothing(struct target *target)
{
	target->is_ready = true;
}

Test(thread_unanswered, what_is_no_thread_is_none)
{
	static u64 zeros[1024], pretender[1024];

	cr_assert_eq(refusal_of(0), -ESRCH);
	cr_assert_eq(refusal_of(1), -ESRCH);
	cr_assert_eq(refusal_of(0x7000), -ESRCH);
	cr_assert_eq(refusal_of(~0ull), -ESRCH);
	cr_assert_eq(refusal_of(~0ull << 3), -ESRCH);
	cr_assert_eq(refusal_of(1ull << 63), -ESRCH);
	cr_assert_eq(refusal_of((u64)refusal_of & ~7ull), -ESRCH);
	cr_assert_eq(refusal_of((u64)zeros), -ESRCH);
	cr_assert_eq(refusal_of((u64)pthread_self() + 8), -ESRCH);
	memset(pretender, 0x11, sizeof(pretender));
	pretender[0] = (u64)pretender;
	cr_assert_eq(refusal_of((u64)pretender), -ESRCH);
	cr_assert_eq(changed_disposition(), 0);
}

/* Memory that looks like a thread, with the number of one that is another. It alone can tell. */
Test(thread_unanswered, what_looks_like_a_thread_is_not_believed)
{
	static u64 pretender[256];
	struct target target = {.work = work_nanosleep};

	target_start(&target);
	memcpy(pretender, (void *)target.thread, sizeof(pretender));
	pretender[0] = (u64)pretender;
	struct thread_question question = {.ident = (u64)pretender, .stack_size = STACK_SIZE};
	struct thread_request *request;
	cr_assert_eq(ask(&question, ENOUGH_NS, &request), -ESRCH);
	target_stop(&target);
	cr_assert_eq(changed_disposition(), 0);
}

Test(thread_unanswered, a_thread_that_has_ended_is_none_before_and_after_it_is_joined)
{
	struct target target = {.work = work_nothing};
	char path[64];

	target_start(&target);
	snprintf(path, sizeof(path), "/proc/self/task/%d", target.tid);
	while (!access(path, F_OK))
		sched_yield();
	cr_assert_eq(refusal_of((u64)target.thread), -ESRCH);
	pthread_join(target.thread, NULL);
	cr_assert_eq(refusal_of((u64)target.thread), -ESRCH);
}

static void work_masked_end(struct target *target)
{
	block_as_libc();
	work_busy(target);
}

Test(thread_unanswered, a_thread_that_ends_while_it_is_asked_is_not_waited_for)
{
	struct target target = {.work = work_masked_end};
	struct thread_request *request;

	target_start(&target);
	struct thread_question question = question_of(&target);
	cr_assert_eq(thread_request_send(&question, &request), 0);
	target_stop(&target);
	u64 start_ns = clock_monotonic_ns();
	cr_assert_eq(thread_request_wait(request, start_ns + 200 * NS_PER_S), -ESRCH);
	cr_assert_lt(clock_monotonic_ns() - start_ns, 60 * NS_PER_S);
	cr_assert(thread_request_free(request));
	cr_assert_eq(changed_disposition(), 0);
}

/*
 * Those who take no signal
 */

static void block(int how, int first, int last)
{
	sigset_t set;

	sigemptyset(&set);
	for (int number = first; number <= last; number++)
		sigaddset(&set, number);
	cr_assert_eq(pthread_sigmask(how, &set, NULL), 0);
}

static void work_asleep_blocking_all(struct target *target)
{
	block(SIG_BLOCK, 1, SIGRTMAX);
	work_futex(target);
}

Test(thread_unanswered, a_thread_asleep_that_blocks_all_signals_is_not_asked)
{
	struct target target = {.work = work_asleep_blocking_all};

	target_start(&target);
	cr_assert(thread_comes_to(target.tid, 'S'));
	cr_assert_eq(refusal_of((u64)target.thread), -EAGAIN);
	cr_assert_eq(changed_disposition(), 0);
	target_stop(&target);
}

/* While it waits, none of them is blocked. */
static void work_sigwait(struct target *target)
{
	sigset_t all;
	siginfo_t info;

	block(SIG_BLOCK, 1, SIGRTMAX);
	sigfillset(&all);
	target->is_ready = true;
	/* The last one is the test's own. */
	while (sigwaitinfo(&all, &info) != SIGUSR1)
		target->signals_seen++;
}

Test(thread_unanswered, a_thread_that_waits_for_signals_gets_none_of_ours)
{
	struct target target = {.work = work_sigwait};

	target_start(&target);
	for (int i = 0; i < 20; i++) {
		cr_assert(thread_comes_to(target.tid, 'S'));
		cr_assert_eq(refusal_of((u64)target.thread), -EAGAIN);
	}
	cr_assert_eq(pthread_kill(target.thread, SIGUSR1), 0);
	target_stop(&target);
	cr_assert_eq(target.signals_seen, 0);
}

static void work_blocking_all_but_one(struct target *target)
{
	block(SIG_BLOCK, 1, SIGRTMAX);
	block(SIG_UNBLOCK, SIGRTMIN + 11, SIGRTMIN + 11);
	work_futex(target);
}

Test(thread_unanswered, one_signal_that_is_not_blocked_suffices)
{
	struct target target = {.work = work_blocking_all_but_one};

	target_start(&target);
	cr_assert(thread_request_free(ask_for(&target, STACK_SIZE)));
	target_stop(&target);
}

static atomic_int program_saw;

static void program_answer(int number)
{
	program_saw++;
}

static void program_takes(int first, int last)
{
	for (int number = first; number <= last; number++)
		cr_assert_neq(signal(number, program_answer), SIG_ERR);
}

Test(thread_unanswered, signals_that_the_program_uses_are_left_to_it)
{
	struct target target = {.work = work_futex};

	target_start(&target);
	program_takes(SIGRTMIN, SIGRTMIN + 4);
	program_takes(SIGRTMIN + 6, SIGRTMAX);
	note_dispositions();
	cr_assert(thread_request_free(ask_for(&target, STACK_SIZE)));
	cr_assert_eq(changed_disposition(), 0);
	program_takes(SIGRTMIN + 5, SIGRTMIN + 5);
	cr_assert_eq(refusal_of((u64)target.thread), -EAGAIN);
	target_stop(&target);
	cr_assert_eq(program_saw, 0);
}

/* As pthread_create() and fork() do for an instant; here it lasts. */
static void work_blocking_for_a_while(struct target *target)
{
	block_as_libc();
	target->is_ready = true;
	for (u64 start_ns = clock_monotonic_ns(); clock_monotonic_ns() - start_ns < 2 * SHORT_NS;)
		;
	block(SIG_UNBLOCK, 1, SIGRTMAX);
	work_busy(target);
}

Test(thread_unanswered, a_thread_that_blocks_all_signals_for_an_instant_answers_after_it)
{
	struct target target = {.work = work_blocking_for_a_while};

	target_start(&target);
	cr_assert(thread_request_free(ask_for(&target, STACK_SIZE)));
	target_stop(&target);
}

/*
 * Those who come too late: the kernel does not return from vfork() before the child has ended, nor takes signals.
 */

static void work_vfork(struct target *target)
{
	char byte;

	cr_assert_eq(pipe(target->pipe), 0);
	target->is_ready = true;
	int pid = vfork();
	if (!pid) {
		syscall(SYS_read, target->pipe[0], &byte, 1);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
	work_busy(target);
}

static void vfork_start(struct target *target)
{
	target->work = work_vfork;
	target_start(target);
	cr_assert(thread_comes_to(target->tid, 'D'));
}

static void vfork_end(const struct target *target)
{
	cr_assert_eq(write(target->pipe[1], "", 1), 1);
}

static struct thread_request *send_to(const struct target *target)
{
	struct thread_question question = question_of(target);
	struct thread_request *request = NULL;

	cr_assert_eq(thread_request_send(&question, &request), 0);
	return request;
}

Test(thread_unanswered, a_request_is_withdrawn_and_leaves_nothing)
{
	struct target target = {0};

	vfork_start(&target);
	struct thread_request *request = send_to(&target);
	u64 start_ns = clock_monotonic_ns();
	cr_assert_eq(thread_request_wait(request, start_ns + SHORT_NS), -ETIMEDOUT);
	cr_assert_geq(clock_monotonic_ns() - start_ns, SHORT_NS);
	cr_assert_lt(clock_monotonic_ns() - start_ns, 30 * NS_PER_S);
	cr_assert_neq(changed_disposition(), 0);
	cr_assert(thread_request_free(request));
	cr_assert_eq(changed_disposition(), 0);
	/* It lives on: no signal without a handler is left in its queue. */
	vfork_end(&target);
	cr_assert(thread_request_free(ask_for(&target, STACK_SIZE)));
	target_stop(&target);
}

Test(thread_unanswered, a_request_may_be_waited_for_again)
{
	struct target target = {0};

	vfork_start(&target);
	struct thread_request *request = send_to(&target);
	cr_assert_eq(thread_request_wait(request, 0), -ETIMEDOUT);
	cr_assert_eq(thread_request_wait(request, clock_monotonic_ns() + SHORT_NS), -ETIMEDOUT);
	vfork_end(&target);
	cr_assert_eq(thread_request_wait(request, clock_monotonic_ns() + ENOUGH_NS), 0);
	check_copy(&target, thread_request_copy(request));
	cr_assert(thread_request_free(request));
	cr_assert_eq(changed_disposition(), 0);
	target_stop(&target);
}

Test(thread_unanswered, of_two_requests_the_second_may_be_withdrawn_first)
{
	struct target target = {0};

	vfork_start(&target);
	struct thread_request *first = send_to(&target), *second = send_to(&target);
	cr_assert(thread_request_free(second));
	vfork_end(&target);
	cr_assert_eq(thread_request_wait(first, clock_monotonic_ns() + ENOUGH_NS), 0);
	check_copy(&target, thread_request_copy(first));
	cr_assert(thread_request_free(first));
	cr_assert_eq(changed_disposition(), 0);
	target_stop(&target);
}

Test(thread_unanswered, of_two_requests_the_first_may_be_withdrawn_first)
{
	struct target target = {0};

	vfork_start(&target);
	struct thread_request *first = send_to(&target), *second = send_to(&target);
	cr_assert(thread_request_free(first));
	vfork_end(&target);
	cr_assert_eq(thread_request_wait(second, clock_monotonic_ns() + ENOUGH_NS), 0);
	check_copy(&target, thread_request_copy(second));
	cr_assert(thread_request_free(second));
	cr_assert_eq(changed_disposition(), 0);
	target_stop(&target);
}

Test(thread_unanswered, requests_that_are_too_many_are_refused)
{
	enum { MANY = 1000 };
	struct target target = {0};
	struct thread_request *requests[MANY];
	struct thread_question question;
	int cnt = 0, err = 0;

	vfork_start(&target);
	question = question_of(&target);
	while (cnt < MANY && !(err = thread_request_send(&question, &requests[cnt])))
		cnt++;
	cr_assert_eq(err, -EAGAIN);
	cr_assert_geq(cnt, 100);
	/* There is always one for the caller itself. */
	struct thread_request *self = NULL;
	cr_assert_eq(thread_request_self(&question, &self), 0);
	cr_assert(thread_request_free(self));
	while (cnt)
		cr_assert(thread_request_free(requests[--cnt]));
	cr_assert_eq(changed_disposition(), 0);
	target_stop(&target);
}

Test(thread_unanswered, what_the_program_sets_meanwhile_stays)
{
	struct target target = {0};

	vfork_start(&target);
	struct thread_request *request = send_to(&target);
	int number = changed_disposition();
	cr_assert_geq(number, SIGRTMIN);
	program_takes(number, number);
	note_dispositions();
	cr_assert(thread_request_free(request));
	cr_assert_eq(changed_disposition(), 0);
	/* The next takes another signal. */
	vfork_end(&target);
	cr_assert(thread_request_free(ask_for(&target, STACK_SIZE)));
	cr_assert_eq(changed_disposition(), 0);
	target_stop(&target);
}

/*
 * fork
 */

static int child_run(const struct target *target)
{
	struct target own = {.work = work_nanosleep};
	struct thread_question question = question_of(target);
	struct thread_request *request;

	if (!changed_disposition())
		return 1; /* then there is nothing to put back */
	thread_request_after_fork();
	if (changed_disposition())
		return 2;
	if (thread_request_send(&question, &request) != -ESRCH)
		return 3;
	if (thread_request_self(&question, &request))
		return 4;
	thread_request_free(request);
	target_start(&own);
	question = question_of(&own);
	for (int i = 0; i < 300; i++) {
		if (ask(&question, ENOUGH_NS, &request))
			return 5;
		thread_request_free(request);
	}
	return changed_disposition() ? 6 : 0;
}

Test(thread_unanswered, a_child_forked_meanwhile_begins_anew)
{
	struct target target = {0};
	int status;

	vfork_start(&target);
	struct thread_request *request = send_to(&target);
	int pid = fork();
	if (!pid)
		_exit(child_run(&target));
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && !WEXITSTATUS(status), "the child says %x", status);
	vfork_end(&target);
	cr_assert_eq(thread_request_wait(request, clock_monotonic_ns() + ENOUGH_NS), 0);
	check_copy(&target, thread_request_copy(request));
	cr_assert(thread_request_free(request));
	cr_assert_eq(changed_disposition(), 0);
	target_stop(&target);
}
