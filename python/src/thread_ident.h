/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * thread_ident.h - from a thread's pthread_t to the number that the kernel knows it by. A
 * thread may end at any time, its memory be unmapped or another's, the ident be
 * anything: so no function of libc is asked, and what is found is only probable. The
 * thread itself must say that it is the one (pthread_self()).
 */
#ifndef STACKTRACE_THREAD_IDENT_H
#define STACKTRACE_THREAD_IDENT_H

#include "pyprof/types.h"

/* -ESRCH: no thread that lives. -ENOTSUP: a libc that keeps no number in what pthread_t points to. */
int thread_ident_find(u64 ident, int *ret_tid);

#endif
