/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/asyncio_awaiters.h"

#include "inspect/asyncio_find.h"

#define FUTURES_MAX   32 /* between two tasks; gather() of gather() is two */
#define CALLBACKS_MAX 1024 /* of one future that are looked at */

struct search {
	struct asyncio_objects *asyncio;
	u64 task; /* whose awaiters are looked for */
	bool by_callbacks; /* to 3.13; and later where a task is written in Python: native code keeps no account of it */
	const u64 *tasks;
	size_t task_cnt;
	u64 futures[FUTURES_MAX]; /* to look at, and looked at */
	size_t future_cnt;
	u64 *ret;
	size_t ret_cnt, room;
};

static bool has(const u64 *addresses, size_t cnt, u64 address)
{
	for (size_t i = 0; i < cnt; i++)
		if (addresses[i] == address)
			return true;
	return false;
}

static bool is_task(const struct search *search, u64 address)
{
	return asyncio_found_has(search->tasks, search->task_cnt, address);
}

static void future_follow(struct search *search, u64 address)
{
	if (address && search->future_cnt < FUTURES_MAX && !has(search->futures, search->future_cnt, address))
		search->futures[search->future_cnt++] = address;
}

static void awaiter_add(struct search *search, u64 address)
{
	if (!is_task(search, address))
		future_follow(search, address);
	else if (address != search->task && search->ret_cnt < search->room &&
		 !has(search->ret, search->ret_cnt, address))
		search->ret[search->ret_cnt++] = address;
}

static int visit_awaiter(void *ctx, size_t index, u64 value)
{
	awaiter_add(ctx, value);
	return 0;
}

/*
 * What a function closes over, or a partial is given: the future that its call will
 * complete, as in gather(), shield(), wait(). A task in there is one that it looks
 * at, not one that waits.
 */
static int visit_held(void *ctx, size_t index, u64 value)
{
	struct search *search = ctx;

	if (!is_task(search, value))
		future_follow(search, value);
	return 0;
}

static int visit_cell(void *ctx, size_t index, u64 cell)
{
	struct search *search = ctx;
	u64 value;

	return object_cell(search->asyncio->objects, cell, &value) ? 0 : visit_held(ctx, index, value);
}

static void bound_follow(struct search *search, u64 self)
{
	u64 parent;

	if (is_task(search, self)) /* its wakeup */
		awaiter_add(search, self);
	else if (!object_attribute(search->asyncio->objects, self, "_parent_task", &parent) && is_task(search, parent))
		awaiter_add(search, parent); /* a TaskGroup's _on_task_done */
}

/* The word at an offset of a callback; 0: none. */
static u64 member_of(const struct search *search, u64 callback, u16 offset)
{
	u64 value;

	return object_word(search->asyncio->objects, callback + offset, &value) ? 0 : value;
}

static void callback_follow(struct search *search, u64 callback)
{
	const struct python_objects *objects = search->asyncio->objects;
	const struct asyncio_layout *layout = &search->asyncio->layout;

	switch (asyncio_kind_of(search->asyncio, callback)) {
	case ASYNCIO_FUNCTION:
		tuple_for_each(objects, member_of(search, callback, layout->function_closure), visit_cell, search);
		break;
	case ASYNCIO_PARTIAL:
		tuple_for_each(objects, member_of(search, callback, layout->partial_args), visit_held, search);
		break;
	case ASYNCIO_METHOD:
		bound_follow(search, member_of(search, callback, objects->object.method_self));
		break;
	case ASYNCIO_BUILTIN:
		bound_follow(search, member_of(search, callback, objects->object.builtin_self));
		break;
	default:
		break;
	}
}

static int visit_callback(void *ctx, size_t index, u64 pair)
{
	struct search *search = ctx;
	u64 callback;

	if (index >= CALLBACKS_MAX)
		return 1;
	if (!tuple_item(search->asyncio->objects, pair, 0, &callback))
		callback_follow(search, callback);
	return 0;
}

static void awaiters_of(struct search *search, const struct asyncio_future *future)
{
	const struct python_objects *objects = search->asyncio->objects;

	if (future->awaited_by && future->awaited_by_is_set)
		set_for_each(objects, future->awaited_by, visit_awaiter, search);
	else if (future->awaited_by)
		awaiter_add(search, future->awaited_by);
	if (!search->by_callbacks)
		return;
	if (future->callback)
		callback_follow(search, future->callback);
	if (future->callbacks)
		list_for_each(objects, future->callbacks, visit_callback, search);
}

size_t asyncio_awaiters(struct asyncio_objects *asyncio, const struct asyncio_future *task, const u64 *tasks,
			size_t task_cnt, u64 *ret, size_t room)
{
	struct search search = {
		.asyncio = asyncio,
		.task = task->address,
		.by_callbacks = !task->is_native || asyncio->layout.future_awaited_by == ABSENT,
		.tasks = tasks,
		.task_cnt = task_cnt,
		.ret = ret,
		.room = room,
	};

	awaiters_of(&search, task);
	for (size_t i = 0; i < search.future_cnt; i++) {
		struct asyncio_future future;

		if (!asyncio_future_read(asyncio, search.futures[i], &future) && !future.coroutine)
			awaiters_of(&search, &future);
	}
	return search.ret_cnt;
}
