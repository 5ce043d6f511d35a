/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "trace_call.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "thread_request.h"

/* A thread that runs answers within some 50 us. To give up the GIL may cost a switch interval, 5 ms, to get it back. */
#define HOLD_NS	   (5 * NS_PER_MS)
#define GIVE_UP_NS NS_PER_S

/* The first is enough for 100 frames of most programs; those that need more are asked again. */
#define FIRST_STACK_SIZE  (64ul << 10)
#define STACK_SIZE_FACTOR 8
#define MAX_STACK_SIZE	  (32ul << 20)

/* One per process, whatever number of interpreters are in it: mapped files are the process's. */
static struct {
	pthread_once_t once;
	int once_error;
	pthread_mutex_t lock; /* of the tracer */
	struct tracer *tracer; /* made by the first trace */
	atomic_bool is_warm; /* there was a first trace */
	atomic_ulong forking; /* the thread that has the lock for a fork; 0: none. Another may fork at the same time */
} shared = {.once = PTHREAD_ONCE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER};

/* A call under way, over all attempts. */
struct attempts {
	struct trace_call *call;
	struct thread_question question; /* owns its walker */
	bool is_self, is_released;
	u64 hold_until_ns, give_up_ns;
};

/*
 * The tracer, and who may use it
 */

static bool lock_until(u64 deadline_ns)
{
	const struct timespec until = {.tv_sec = deadline_ns / NS_PER_S, .tv_nsec = deadline_ns % NS_PER_S};

	return !pthread_mutex_clocklock(&shared.lock, CLOCK_MONOTONIC, &until);
}

/* Who takes longer reads a file. */
#define FORK_PATIENCE_NS (100 * NS_PER_MS)

/* Not in the midst of a trace: libunwind has locks of its own, which the child would find taken. */
static void fork_prepare(void)
{
	if (lock_until(clock_monotonic_ns() + FORK_PATIENCE_NS))
		shared.forking = pthread_self();
}

static void fork_parent(void)
{
	if (shared.forking != pthread_self())
		return;
	shared.forking = 0;
	pthread_mutex_unlock(&shared.lock);
}

/* The tracer is the parent's, and knows its number; the child's memory of it is the parent's until written. */
static void fork_child(void)
{
	pthread_mutex_init(&shared.lock, NULL);
	shared.forking = 0;
	shared.tracer = NULL;
	atomic_store(&shared.is_warm, false);
	thread_request_after_fork();
}

static void watch_fork(void)
{
	shared.once_error = -pthread_atfork(fork_prepare, fork_parent, fork_child);
}

int trace_call_prepare(void)
{
	pthread_once(&shared.once, watch_fork);
	return shared.once_error;
}

static void release(struct attempts *attempts)
{
	if (!attempts->is_released && attempts->call->release)
		attempts->call->release(attempts->call->held);
	attempts->is_released = true;
}

/* Another trace takes microseconds, unless it reads the symbols of a file. */
static int lock_shared(struct attempts *attempts)
{
	if (!pthread_mutex_trylock(&shared.lock))
		return 0;
	if (!attempts->is_released) {
		if (lock_until(clock_monotonic_ns() + HOLD_NS))
			return 0;
		release(attempts);
	}
	return lock_until(attempts->give_up_ns) ? 0 : -ETIMEDOUT;
}

/* On success the caller has the tracer until tracer_give_back(). */
static int tracer_borrow(struct attempts *attempts, struct tracer **ret)
{
	/* The first one finds and reads the files: not while all others wait for the GIL. */
	if (!atomic_load(&shared.is_warm))
		release(attempts);
	int err = lock_shared(attempts);
	if (err)
		return err;
	if (!shared.tracer)
		err = tracer_new(&shared.tracer);
	if (err) {
		pthread_mutex_unlock(&shared.lock);
		return err;
	}
	*ret = shared.tracer;
	return 0;
}

static void tracer_give_back(void)
{
	pthread_mutex_unlock(&shared.lock);
}

/*
 * The attempts
 */

static int walker_take(struct attempts *attempts)
{
	struct thread_question *question = &attempts->question;
	struct tracer *tracer;
	int err = tracer_borrow(attempts, &tracer);

	if (err)
		return err;
	err = tracer_take_walker(tracer, question->ident, &question->state, &question->walker);
	tracer_give_back();
	attempts->call->is_unknown_python = err == -ENOTSUP;
	return err == -ENOENT ? 0 : err; /* a thread that never ran Python has a stack all the same */
}

static void walker_give(struct attempts *attempts)
{
	struct python_walker *walker = take(attempts->question.walker);
	struct tracer *tracer;

	if (!walker)
		return;
	if (tracer_borrow(attempts, &tracer)) {
		python_walker_free(walker);
		return;
	}
	tracer_give_walker(tracer, walker);
	tracer_give_back();
}

static int wait_for_copy(struct attempts *attempts, struct thread_request *request)
{
	int err = -ETIMEDOUT;

	if (!attempts->is_released)
		err = thread_request_wait(request, attempts->hold_until_ns);
	if (err != -ETIMEDOUT)
		return err;
	release(attempts);
	return thread_request_wait(request, attempts->give_up_ns);
}

static int name_copy(struct attempts *attempts, const struct thread_copy *copy, struct traced_stack *ret,
		     bool *ret_needs_more)
{
	struct tracer *tracer;
	int err = tracer_borrow(attempts, &tracer);

	if (err)
		return err;
	err = tracer_trace(tracer, copy, attempts->call->max_cnt, ret, ret_needs_more);
	tracer_give_back();
	if (!err)
		atomic_store(&shared.is_warm, true);
	return err;
}

static int trace_once(struct attempts *attempts, struct traced_stack *ret, bool *ret_needs_more)
{
	struct thread_request *request;
	int err = attempts->is_self ? thread_request_self(&attempts->question, &request)
				    : thread_request_send(&attempts->question, &request);

	if (err)
		return err;
	if (!attempts->is_self)
		err = wait_for_copy(attempts, request);
	if (!err)
		err = name_copy(attempts, thread_request_copy(request), ret, ret_needs_more);
	if (!thread_request_free(request))
		attempts->question.walker = NULL; /* the thread may still use it: leaked, as thread_request.h says */
	return err;
}

/* By as many attempts as it needs to get all of a deep stack; what an earlier one has got is not lost. */
static int trace_whole(struct attempts *attempts, struct traced_stack *ret)
{
	struct traced_stack stack = {0};
	bool needs_more = false;
	int err = trace_once(attempts, &stack, &needs_more);

	if (err)
		return err;
	while (needs_more && attempts->question.stack_size < MAX_STACK_SIZE) {
		struct traced_stack longer = {0};

		attempts->question.stack_size *= STACK_SIZE_FACTOR;
		if (trace_once(attempts, &longer, &needs_more))
			break;
		traced_stack_free(&stack);
		stack = longer;
	}
	*ret = stack;
	return 0;
}

int trace_call_run(struct trace_call *call, struct traced_stack *ret)
{
	u64 now_ns = clock_monotonic_ns();
	struct attempts attempts = {
		.call = call,
		.question = {.ident = call->ident, .stack_size = FIRST_STACK_SIZE},
		.is_self = call->ident == pthread_self(),
		.is_released = !call->release,
		.hold_until_ns = now_ns + HOLD_NS,
		.give_up_ns = now_ns + GIVE_UP_NS,
	};
	int err = call->wants_python ? walker_take(&attempts) : 0;

	if (!err)
		err = trace_whole(&attempts, ret);
	walker_give(&attempts);
	return err;
}

bool trace_call_is_absence(int err)
{
	return err == -ESRCH || err == -EAGAIN || err == -ETIMEDOUT;
}
