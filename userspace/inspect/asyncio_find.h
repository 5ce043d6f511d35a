/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * asyncio_find.h - where the tasks of an interpreter are, which of them are executed
 * now, and which threads run event loops. From 3.14 on native tasks are linked in
 * lists of their threads; others, and all of them to 3.13, are in sets that
 * asyncio.tasks keeps.
 */
#ifndef PYPROF_ASYNCIO_FIND_H
#define PYPROF_ASYNCIO_FIND_H

#include "inspect/asyncio_object.h"

struct asyncio_thread {
	u64 state; /* PyThreadState */
	u64 ident;
	u64 running_loop; /* 0: none */
};

struct asyncio_found {
	u64 *tasks; /* sorted, each once */
	size_t task_cnt, task_capacity;
	u64 *running; /* likewise */
	size_t running_cnt, running_capacity;
	struct asyncio_thread *threads;
	size_t thread_cnt, thread_capacity;
	bool complete; /* false: there may be more tasks */
};

/* Corrects the layout by what the interpreter's _asyncio says of itself, where it does. */
int asyncio_find(struct asyncio_objects *asyncio, u64 interpreter, struct asyncio_found **ret);
void asyncio_found_free(struct asyncio_found *found);
DEFINE_CLEANUP(asyncio_found, struct asyncio_found *, asyncio_found_free)

bool asyncio_found_has(const u64 *sorted, size_t cnt, u64 address);

#endif
