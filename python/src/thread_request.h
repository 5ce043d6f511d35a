/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * thread_request.h - asks a thread of this process for a copy of itself (thread_copy.h).
 *
 * Another thread is asked by a real-time signal, sent to it alone: its handler copies
 * registers, stack and Python frames into memory of ours, and goes back to what it
 * interrupted. The handler takes no lock and allocates nothing, so a thread may be asked wherever it is: in malloc, in
 * the dynamic linker, on an alternate signal stack. A thread asleep in a system call is woken; the kernel restarts the
 * call, but for those that signal(7) lists as never restarted, which give EINTR.
 *
 * A thread with an alternate stack (sigaltstack) answers there. Where that is too small for the answer, the thread
 * refuses, which takes some 100 bytes; where it is too small even for what the kernel saves (3.3 KiB on machines
 * with AVX-512), the program dies, as of any signal with SA_ONSTACK.
 *
 * The signal is one that has no handler and that the thread does not block. Its disposition
 * is changed while requests are under way, and then is what it was; a signal that was sent and
 * not taken in time is withdrawn first. Only where a debugger holds the thread, and may have the signal,
 * our handler stays until it lets go: without, the program would die of it. It would also die of it if it set
 * the signal to SIG_DFL itself, between our sending it and the thread's taking it. Any number of requests (256), of one
 * thread or many, may be under way at once.
 */
#ifndef STACKTRACE_THREAD_REQUEST_H
#define STACKTRACE_THREAD_REQUEST_H

#include "base/cleanup.h"
#include "thread_copy.h"

struct thread_request;

/*
 * What must be left of an alternate stack for an answer (which takes less than 400), and for Python frames, which are
 * left out otherwise. So a stack of 4 KiB serves with AVX-512.
 */
#define ANSWER_STACK_SIZE 512
#define PYTHON_STACK_SIZE 2048

struct thread_question {
	u64 ident; /* pthread_t; anything */
	size_t stack_size; /* bytes of each piece, at most; 64 MiB */
	/*
	 * NULL: no Python frames are wanted. Borrowed until the request is freed, see there; of this request alone. It
	 * works in a signal handler: its memory is own_memory().
	 */
	struct python_walker *walker;
	u64 state; /* address of its PyThreadState, for the walker */
};

/*
 * Sends it. Not to the calling thread: see thread_request_self(). -ESRCH: no living thread has this ident. -EAGAIN: it
 * cannot take a signal now (it blocks all that are free and sleeps or means it, is stopped, or has ended but for its
 * name), or too many requests are under way. -ENOMEM. -ENOTSUP: an unknown libc.
 */
int thread_request_send(const struct thread_question *question, struct thread_request **ret);

/*
 * Until the copy is there, or CLOCK_MONOTONIC is deadline_ns (-ETIMEDOUT; it may be waited for again). -ESRCH: the
 * thread has ended. -EAGAIN: it has too little stack left to answer, or sleeps and has blocked the signal. Sleeps.
 */
int thread_request_wait(struct thread_request *request, u64 deadline_ns);

/* Once it is there. The request's. */
const struct thread_copy *thread_request_copy(const struct thread_request *request);

/*
 * Withdraws it when it was not answered. True: nobody uses the question's walker any more. False: the thread is
 * in its handler still, and was put to sleep there, by a debugger say; the walker is left to it for good.
 */
bool thread_request_free(struct thread_request *request);

/* The same of the calling thread, whatever the question's ident, without a signal: at once. -ENOMEM. */
int thread_request_self(const struct thread_question *question, struct thread_request **ret);

/* After fork(), in the child, before anything else of here: requests of the parent's threads are none of ours. */
void thread_request_after_fork(void);

#endif
