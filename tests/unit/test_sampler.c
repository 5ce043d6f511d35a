/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "sampler.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "thread_target.h"
#include "trace_call.h"

static void prepare(void)
{
	cr_assert_eq(trace_call_prepare(), 0);
}

TestSuite(sampler, .init = prepare, .timeout = 300);

static struct sampler *sampler_started(u64 ident, u64 interval_ns, size_t max_cnt)
{
	const struct sampler_options options = {.ident = ident, .interval_ns = interval_ns, .max_cnt = max_cnt};
	struct sampler *sampler;

	cr_assert_eq(sampler_new(&options, &sampler), 0);
	cr_assert_eq(sampler_start(sampler), 0);
	return sampler;
}

/* Waits for one; its frames, or the error. */
static int take_one(struct sampler *sampler)
{
	struct sampler_look look;
	int err;

	while ((err = sampler_take(sampler, &look)) == -EAGAIN)
		sampler_wait(sampler);
	if (err || look.err)
		return err ? err : look.err;
	err = look.stack.cnt;
	traced_stack_free(&look.stack);
	return err;
}

static void wait_for_drops(const struct sampler *sampler, u64 cnt)
{
	u64 before = sampler_dropped_cnt(sampler);

	while (sampler_dropped_cnt(sampler) < before + cnt)
		usleep(1000);
}

Test(sampler, it_sees_a_thread_and_stops_seeing_it_when_that_has_ended)
{
	struct target target = {.work = work_nanosleep};

	target_start(&target);

	_cleanup_(sampler) struct sampler *sampler = sampler_started(target.thread, NS_PER_MS, 100);

	cr_assert_gt(take_one(sampler), 2);
	target_stop(&target);

	int found;

	while ((found = take_one(sampler)) > 0)
		;
	cr_assert(trace_call_is_absence(found), "%d", found);
}

Test(sampler, no_more_than_the_bound_wait_and_the_rest_is_counted)
{
	_cleanup_(sampler) struct sampler *sampler = sampler_started(pthread_self(), 0, 0);
	size_t cnt = 0;

	wait_for_drops(sampler, 1000);
	sampler_stop(sampler);
	while (take_one(sampler) != -EPIPE)
		cnt++;
	cr_assert_leq(cnt, SAMPLER_QUEUE_MAX + 1); /* one was under way when it was stopped */
	cr_assert_geq(cnt, SAMPLER_QUEUE_MAX);
}

Test(sampler, the_oldest_are_dropped)
{
	struct target target = {.work = work_nanosleep};

	target_start(&target);

	_cleanup_(sampler) struct sampler *sampler = sampler_started(target.thread, 0, 1);

	wait_for_drops(sampler, 1);
	target_stop(&target);
	wait_for_drops(sampler, SAMPLER_QUEUE_MAX + 1); /* all that saw it, and the one under way */
	cr_assert_lt(take_one(sampler), 0);
}

Test(sampler, it_stops_at_once_though_the_next_look_is_far)
{
	_cleanup_(sampler) struct sampler *sampler = sampler_started(pthread_self(), 3600 * NS_PER_S, 10);

	cr_assert_gt(take_one(sampler), 0);

	u64 begin_ns = clock_monotonic_ns();

	sampler_finish(sampler);
	cr_assert_lt(clock_monotonic_ns() - begin_ns, 60 * NS_PER_S);
	cr_assert_eq(take_one(sampler), -EPIPE);
}

static void *stop_later(void *sampler)
{
	usleep(50000);
	sampler_stop(sampler);
	return NULL;
}

Test(sampler, who_waits_is_woken_when_it_is_stopped)
{
	_cleanup_(sampler) struct sampler *sampler = sampler_started(pthread_self(), 3600 * NS_PER_S, 10);
	pthread_t other;

	cr_assert_gt(take_one(sampler), 0);
	cr_assert_eq(pthread_create(&other, NULL, stop_later, sampler), 0);
	cr_assert_eq(take_one(sampler), -EPIPE);
	pthread_join(other, NULL);
}

static u64 looks_in(struct sampler *sampler, u64 duration_ns)
{
	u64 cnt = 0;

	for (u64 end_ns = clock_monotonic_ns() + duration_ns; clock_monotonic_ns() < end_ns; cnt++)
		take_one(sampler);
	return cnt;
}

/* A loaded machine leaves looks out, but is never early. So what was due is a bound of all, and half of it of the best second. */
Test(sampler, it_keeps_its_rate)
{
	const u64 interval_ns = 5 * NS_PER_MS, due_cnt = NS_PER_S / interval_ns;
	struct target target = {.work = work_nanosleep};
	u64 cnt = 0, best_cnt = 0;

	target_start(&target);

	u64 begin_ns = clock_monotonic_ns();
	_cleanup_(sampler) struct sampler *sampler = sampler_started(target.thread, interval_ns, 100);

	for (int i = 0; i < 60 && best_cnt <= due_cnt / 2; i++) {
		u64 second_cnt = looks_in(sampler, NS_PER_S);

		cnt += second_cnt;
		best_cnt = second_cnt > best_cnt ? second_cnt : best_cnt;
	}
	cr_assert_leq(cnt, (clock_monotonic_ns() - begin_ns) / interval_ns + 1);
	cr_assert_gt(best_cnt, due_cnt / 2);
	target_stop(&target);
}

Test(sampler, what_nobody_took_counts_as_dropped)
{
	_cleanup_(sampler) struct sampler *sampler = sampler_started(pthread_self(), 3600 * NS_PER_S, 0);

	sampler_wait(sampler);
	sampler_finish(sampler);
	cr_assert_eq(sampler_dropped_cnt(sampler), 1);
	cr_assert_eq(take_one(sampler), -EPIPE);
}

Test(sampler, nothing_comes_of_one_that_is_started_after_it_was_stopped)
{
	const struct sampler_options options = {.ident = pthread_self(), .max_cnt = 10};
	_cleanup_(sampler) struct sampler *sampler = NULL;

	cr_assert_eq(sampler_new(&options, &sampler), 0);
	sampler_stop(sampler);
	cr_assert_eq(sampler_start(sampler), 0);
	cr_assert_eq(take_one(sampler), -EPIPE);
}

Test(sampler, in_a_child_it_is_over_and_nothing_waits_for_it)
{
	_cleanup_(sampler) struct sampler *sampler = sampler_started(pthread_self(), 0, 0);

	for (int i = 0; i < 50; i++) {
		int status;
		pid_t child = fork();

		if (!child) {
			alarm(120);
			sampler_wait(sampler);
			int err = take_one(sampler);

			sampler_finish(sampler);
			sampler_free(sampler);
			_exit(err == -EPIPE ? 0 : 1);
		}
		cr_assert_eq(waitpid(child, &status, 0), child);
		cr_assert_eq(status, 0);
	}
	cr_assert_neq(take_one(sampler), -EPIPE);
}
