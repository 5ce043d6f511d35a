/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * thread_waits.h - once the stacks of all threads are read: what each waits for, who
 * has that, and who waits in a ring. Looks at the process once more, and believes it
 * of threads that have not run since their stack was read.
 */
#ifndef PYPROF_THREAD_WAITS_H
#define PYPROF_THREAD_WAITS_H

#include "dump/thread_reader.h"

/* Fills `wait` of the reader's threads; who holds which GIL must be known. */
int thread_waits_explain(struct thread_reader *reader);
/* Names the owners of Python's own locks among these threads, in their final order, and finds deadlocks. */
int thread_waits_find_deadlocks(struct thread_reader *reader, struct snapshot *snapshot);

#endif
