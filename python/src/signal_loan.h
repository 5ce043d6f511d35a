/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * signal_loan.h - real-time signals that the program does not use, borrowed from it: while anybody has one, its
 * disposition is ours; when the last gives it back, it is what it was, to the bit. Should the program
 * take to using it meanwhile, it keeps what it has set. (If that is SIG_DFL while one that was sent waits to be taken,
 * it dies of it: the kernel offers no way to take back a signal.)
 *
 * A signal is sent with a value to one thread, and arrives there with this value and the registers of what it
 * interrupted. While it is being answered, the thread takes no other signal.
 */
#ifndef STACKTRACE_SIGNAL_LOAN_H
#define STACKTRACE_SIGNAL_LOAN_H

#include <stdbool.h>

#include "pyprof/types.h"

/* In the thread asked, in a signal handler. ucontext: the kernel's. */
typedef void signal_answer(u64 value, const void *ucontext);

/*
 * One that is not among blocked (number - 1 the bit). The answer is the same for all loans. -EAGAIN: none is free.
 * Those in use already are taken first.
 */
int signal_loan_take(u64 blocked, signal_answer *answer, int *ret);

/* was_taken: what was sent has arrived. If not, what still waits to be delivered is thrown away with the last loan. */
void signal_loan_return(int number, bool was_taken);

/* To a thread of ours. -ESRCH: there is none. -EAGAIN: no more signals can be queued. Other errors are of a sandbox. */
int signal_loan_send(int number, int tid, u64 value);

/* In the child: the dispositions that its parent had found. */
void signal_loan_after_fork(void);

#endif
