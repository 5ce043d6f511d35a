/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* thread_list.h - the PyThreadStates of a process, from its interpreters' lists. */
#ifndef PYPROF_THREAD_LIST_H
#define PYPROF_THREAD_LIST_H

#include "base/remote_memory.h"
#include "pyprof/python_abi.h"

struct python_thread {
	u64 state; /* address of the PyThreadState */
	u64 thread_pointer; /* its thread_id */
	u64 interpreter; /* address of its PyInterpreterState */
	u64 frame; /* thread_frame as read; 0 or a frame-less value in a thread that has not started */
};

#define PYTHON_INTERPRETERS_MAX 1024
#define PYTHON_THREADS_MAX	65536

/*
 * Calls visit for every thread of every interpreter, newest first. The lists are
 * another program's memory and change while they are read: bounded, circles are
 * broken, and what is torn is left out. runtime is the address of _PyRuntime.
 * The first visit that does not return 0 is the last, and its answer is ours.
 */
int thread_list_read(const struct remote_memory *memory, const struct python_layout *layout, u64 runtime,
		     int (*visit)(void *ctx, const struct python_thread *thread), void *ctx);

#endif
