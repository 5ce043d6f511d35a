/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * asyncio_tasks.h - the tasks of asyncio in one interpreter, each with its await
 * chain and with the tasks that await it, read from outside while they run. CPython
 * 3.11 and later, native tasks and those written in Python, event loops of any kind.
 *
 * From 3.14 on a task says itself what awaits it. Before that it is found where its
 * done-callbacks lead: to the task that awaits it, or by way of gather(), shield(),
 * wait() and wait_for(); or to the TaskGroup whose task it is.
 */
#ifndef PYPROF_ASYNCIO_TASKS_H
#define PYPROF_ASYNCIO_TASKS_H

#include "inspect/await_chain.h"

#define ASYNCIO_TASKS_MAX    (1 << 18) /* of an interpreter */
#define ASYNCIO_AWAITERS_MAX 256 /* of a task */

enum asyncio_state {
	ASYNCIO_RUNNING, /* its loop executes it now: its frames are the innermost ones of the loop's thread */
	ASYNCIO_READY, /* it could go on, but its loop has not come to it yet */
	ASYNCIO_WAITING,
	ASYNCIO_DONE,
};

/* "running", "ready", "waiting", "done" */
const char *asyncio_state_name(enum asyncio_state state);

struct asyncio_task {
	u64 address;
	const char *name; /* "" when it cannot be read */
	enum asyncio_state state;
	u64 loop_ident; /* threading.get_ident() of the thread that runs its event loop; 0: none does, or not known */
	/* Innermost first. None: it went on each time that it was looked at, or is written in another language. */
	const struct asyncio_frame *frames;
	size_t frame_cnt;
	bool cut; /* the chain is longer: its inner end is not there */
	const u64 *awaited_by; /* tasks of the same interpreter, by address */
	size_t awaited_by_cnt;
};

/*
 * Calls visit for each task of an interpreter (address of its PyInterpreterState), in
 * no order; what it is given is for the call only. Where asyncio was never imported
 * there is none. *ret_complete: false when tasks may be missing, for they came and
 * went too fast or are too many. -ENOTSUP: before 3.11. The first visit that does
 * not return 0 is the last, and its answer is ours.
 */
int asyncio_tasks_read(const struct python_objects *objects, u64 interpreter,
		       int (*visit)(void *ctx, const struct asyncio_task *task), void *ctx, bool *ret_complete);

#endif
