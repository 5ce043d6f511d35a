/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* asyncio_awaiters.h - the tasks that await a task, directly or by way of futures. */
#ifndef PYPROF_ASYNCIO_AWAITERS_H
#define PYPROF_ASYNCIO_AWAITERS_H

#include "inspect/asyncio_object.h"

/*
 * tasks are all that may be an answer, sorted; ret has room for `room`. Returns how
 * many there are; what cannot be read leads nowhere.
 */
size_t asyncio_awaiters(struct asyncio_objects *asyncio, const struct asyncio_future *task, const u64 *tasks,
			size_t task_cnt, u64 *ret, size_t room);

#endif
