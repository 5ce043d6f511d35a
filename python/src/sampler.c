/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "sampler.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "trace_call.h"

/* 28 KiB of it were seen in use, with symbols read and Python frames. A program's thread-local variables are in it, too. */
#define STACK_SIZE  (512ul << 10)
#define THREAD_NAME "stacktrace"

struct sampler {
	struct sampler_options options;
	pthread_mutex_t lock; /* of all below; never held while anything else is waited for */
	pthread_cond_t stopped; /* for our thread */
	pthread_cond_t taken; /* for who takes: there is a look, or none will come */
	bool is_stopped, is_running;
	bool has_thread; /* to be joined */
	pthread_t thread;
	atomic_int pid; /* of the process that it runs in; 0: not started */
	struct sampler_look queue[SAMPLER_QUEUE_MAX];
	size_t first, cnt;
	atomic_ulong dropped_cnt;
};

/* Then its lock may be held by a thread that is not here. */
static bool is_of_parent(const struct sampler *sampler)
{
	int pid = atomic_load(&sampler->pid);

	return pid && pid != getpid();
}

static void conditions_init(struct sampler *sampler)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&sampler->stopped, &attributes);
	pthread_cond_init(&sampler->taken, &attributes);
	pthread_condattr_destroy(&attributes);
}

int sampler_new(const struct sampler_options *options, struct sampler **ret)
{
	struct sampler *sampler = calloc(1, sizeof(*sampler));

	if (!sampler)
		return -ENOMEM;
	sampler->options = *options;
	pthread_mutex_init(&sampler->lock, NULL);
	conditions_init(sampler);
	*ret = sampler;
	return 0;
}

void sampler_free(struct sampler *sampler)
{
	if (is_of_parent(sampler))
		return;
	sampler_finish(sampler);
	pthread_cond_destroy(&sampler->taken);
	pthread_cond_destroy(&sampler->stopped);
	pthread_mutex_destroy(&sampler->lock);
	free(sampler);
}

/*
 * The queue, with the lock held
 */

static struct sampler_look oldest_remove(struct sampler *sampler)
{
	struct sampler_look look = sampler->queue[sampler->first];

	sampler->first = (sampler->first + 1) % SAMPLER_QUEUE_MAX;
	sampler->cnt--;
	return look;
}

static void oldest_drop(struct sampler *sampler)
{
	struct sampler_look look = oldest_remove(sampler);

	if (!look.err)
		traced_stack_free(&look.stack);
	atomic_fetch_add(&sampler->dropped_cnt, 1);
}

static void queue_append(struct sampler *sampler, const struct sampler_look *look)
{
	if (sampler->cnt == SAMPLER_QUEUE_MAX)
		oldest_drop(sampler);
	sampler->queue[(sampler->first + sampler->cnt) % SAMPLER_QUEUE_MAX] = *look;
	sampler->cnt++;
}

/*
 * Our thread
 */

static struct sampler_look look_at(const struct sampler_options *options)
{
	struct trace_call call = {
		.ident = options->ident,
		.max_cnt = options->max_cnt,
		.wants_python = options->wants_python,
	};
	struct sampler_look look = {.err = -ESRCH};

	if (call.max_cnt)
		look.err = trace_call_run(&call, &look.stack);
	look.is_unknown_python = call.is_unknown_python;
	return look;
}

/* False: it was stopped. */
static bool sleep_until(struct sampler *sampler, u64 due_ns)
{
	const struct timespec due = {.tv_sec = due_ns / NS_PER_S, .tv_nsec = due_ns % NS_PER_S};
	bool is_stopped;

	pthread_mutex_lock(&sampler->lock);
	while (!sampler->is_stopped && clock_monotonic_ns() < due_ns)
		pthread_cond_timedwait(&sampler->stopped, &sampler->lock, &due);
	is_stopped = sampler->is_stopped;
	pthread_mutex_unlock(&sampler->lock);
	return !is_stopped;
}

/* The first time after now that is a number of intervals after the last. */
static u64 next_due(u64 due_ns, u64 now_ns, u64 interval_ns)
{
	return interval_ns ? due_ns + ((now_ns - due_ns) / interval_ns + 1) * interval_ns : now_ns;
}

static void *look_until_stopped(void *arg)
{
	struct sampler *sampler = arg;
	u64 due_ns = clock_monotonic_ns();

	pthread_setname_np(pthread_self(), THREAD_NAME);
	while (sleep_until(sampler, due_ns)) {
		struct sampler_look look = look_at(&sampler->options);

		pthread_mutex_lock(&sampler->lock);
		queue_append(sampler, &look);
		sampler->is_stopped |= look.err && !trace_call_is_absence(look.err);
		pthread_cond_broadcast(&sampler->taken);
		pthread_mutex_unlock(&sampler->lock);
		due_ns = next_due(due_ns, clock_monotonic_ns(), sampler->options.interval_ns);
	}
	pthread_mutex_lock(&sampler->lock);
	sampler->is_running = false;
	pthread_cond_broadcast(&sampler->taken);
	pthread_mutex_unlock(&sampler->lock);
	return NULL;
}

/* With all signals blocked from its first instruction on: they are for the program's threads. */
static int thread_start(struct sampler *sampler)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&sampler->thread, &attributes, look_until_stopped, sampler);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return err ? -EAGAIN : 0;
}

int sampler_start(struct sampler *sampler)
{
	int err = 0;

	if (is_of_parent(sampler))
		return 0;
	pthread_mutex_lock(&sampler->lock);
	if (!sampler->is_stopped && !sampler->has_thread) {
		err = thread_start(sampler);
		sampler->has_thread = sampler->is_running = !err;
		atomic_store(&sampler->pid, getpid());
	}
	pthread_mutex_unlock(&sampler->lock);
	return err;
}

void sampler_stop(struct sampler *sampler)
{
	if (is_of_parent(sampler))
		return;
	pthread_mutex_lock(&sampler->lock);
	sampler->is_stopped = true;
	pthread_cond_broadcast(&sampler->stopped);
	pthread_cond_broadcast(&sampler->taken);
	pthread_mutex_unlock(&sampler->lock);
}

/*
 * Who takes
 */

static int take_state(const struct sampler *sampler)
{
	if (sampler->cnt)
		return 0;
	return sampler->is_stopped && !sampler->is_running ? -EPIPE : -EAGAIN;
}

int sampler_take(struct sampler *sampler, struct sampler_look *ret)
{
	int err;

	if (is_of_parent(sampler))
		return -EPIPE;
	pthread_mutex_lock(&sampler->lock);
	err = take_state(sampler);
	if (!err)
		*ret = oldest_remove(sampler);
	pthread_mutex_unlock(&sampler->lock);
	return err;
}

void sampler_wait(struct sampler *sampler)
{
	if (is_of_parent(sampler))
		return;
	pthread_mutex_lock(&sampler->lock);
	while (take_state(sampler) == -EAGAIN)
		pthread_cond_wait(&sampler->taken, &sampler->lock);
	pthread_mutex_unlock(&sampler->lock);
}

void sampler_finish(struct sampler *sampler)
{
	bool has_thread;

	if (is_of_parent(sampler))
		return;
	sampler_stop(sampler);
	pthread_mutex_lock(&sampler->lock);
	has_thread = take(sampler->has_thread);
	pthread_mutex_unlock(&sampler->lock);
	if (has_thread)
		pthread_join(sampler->thread, NULL);
	pthread_mutex_lock(&sampler->lock);
	while (sampler->cnt)
		oldest_drop(sampler);
	pthread_mutex_unlock(&sampler->lock);
}

u64 sampler_dropped_cnt(const struct sampler *sampler)
{
	return atomic_load(&sampler->dropped_cnt);
}
