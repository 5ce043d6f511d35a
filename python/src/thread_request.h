/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * thread_request.h - asks a thread of this process for a copy of itself (thread_copy.h).
 *
 * Another thread is asked by a real-time signal, sent to it alone: its handler copies
 * registers, stack and Python frames into memory of ours, and goes back to what it
 * interrupted. The handler takes no lock, allocates nothing and needs 1 KiB of stack, so
 * a thread may be asked wherever it is: in malloc, in the dynamic linker, on an alternate
 * signal stack. A thread asleep in a system call is woken; the kernel restarts the call,
 * but for those that signal(7) lists as never restarted, which give EINTR.
 *
 * The signal is one that has no handler and that the thread does not block. Its disposition
 * is changed while requests are under way, and then is what it was; a signal that was sent and
 * not taken in time is withdrawn first. Any number of requests, of one thread or many, may be under way at once.
 */
#ifndef STACKTRACE_THREAD_REQUEST_H
#define STACKTRACE_THREAD_REQUEST_H

#include "base/cleanup.h"
#include "thread_copy.h"

struct thread_request;

struct thread_question {
	u64 ident; /* pthread_t */
	size_t stack_size; /* bytes of each piece, at most */
	struct python_walker
		*walker; /* NULL: no Python frames are wanted. Borrowed until the request is freed, see there */
	u64 state; /* address of its PyThreadState, for the walker */
};

/*
 * Sends it. -ESRCH: no living thread has this ident. -EAGAIN: it cannot take a signal now (blocks all that are free,
 * is stopped, or has ended but for its name). -ENOMEM.
 */
int thread_request_send(const struct thread_question *question, struct thread_request **ret);

/* Until the copy is there, or CLOCK_MONOTONIC is deadline_ns (-ETIMEDOUT; it may be waited for again). Sleeps. */
int thread_request_wait(struct thread_request *request, u64 deadline_ns);

/* Once it is there. The request's. */
const struct thread_copy *thread_request_copy(const struct thread_request *request);

/*
 * Withdraws it when it was not answered. True: nobody uses the question's walker any more. False: the thread is
 * in its handler still, and was put to sleep there, by a debugger say; walker and memory are left to it for good.
 */
bool thread_request_free(struct thread_request *request);

/* The same of the calling thread, without a signal: at once. */
int thread_request_self(const struct thread_question *question, struct thread_request **ret);

/* After fork(), in the child, before anything else of here: requests of the parent's threads are none of ours. */
void thread_request_after_fork(void);

#endif
