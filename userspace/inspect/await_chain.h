/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * await_chain.h - from a coroutine to what it awaits, and on to the innermost: the
 * frames that a suspended coroutine would go on with, as its traceback has them.
 */
#ifndef PYPROF_AWAIT_CHAIN_H
#define PYPROF_AWAIT_CHAIN_H

#include "pyprof/record.h"
#include "inspect/asyncio_object.h"

#define AWAIT_CHAIN_MAX 512 /* coroutines; what lies inward of that is not seen */

struct asyncio_frame {
	struct python_frame frame; /* its code is never marked with PYTHON_RUN_BEGIN */
	u64 address; /* of the _PyInterpreterFrame */
};

/* Why there is nothing inward of the innermost frame. */
enum chain_end {
	CHAIN_NOT_BEGUN, /* a coroutine that has not executed anything */
	CHAIN_EXECUTING, /* right now, by some thread */
	CHAIN_FINISHED,
	CHAIN_YIELDED, /* waits for nothing in particular: as asyncio.sleep(0) does */
	CHAIN_OTHER, /* it awaits what is no coroutine: a future, or an object of another language */
	CHAIN_CUT, /* at AWAIT_CHAIN_MAX */
};

struct await_chain {
	struct asyncio_frame frames[AWAIT_CHAIN_MAX]; /* innermost first */
	size_t frame_cnt;
	enum chain_end end;
};

/*
 * coroutine: any object that can be awaited. -ESTALE: it went on each time that it was read, so no
 * frame is told; -EFAULT, -ESRCH.
 */
int await_chain_read(struct asyncio_objects *asyncio, u64 coroutine, struct await_chain *ret);

/*
 * The frames that a thread executes now, from its innermost one out to the given one
 * (of a coroutine that it executes), unless it goes on too fast: -ESTALE. state is
 * its PyThreadState.
 */
int await_chain_of_thread(struct asyncio_objects *asyncio, u64 state, u64 outermost, struct await_chain *ret);

#endif
