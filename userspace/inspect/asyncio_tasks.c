/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/asyncio_tasks.h"

#include <errno.h>
#include <stdlib.h>

#include "base/strbuf.h"
#include "inspect/asyncio_awaiters.h"
#include "inspect/asyncio_find.h"
#include "python/string.h"

#define LOOPS_MAX 64 /* whose threads are remembered */
#define TRIES	  3

struct reading {
	struct asyncio_objects asyncio;
	struct asyncio_found *found;
	struct {
		u64 loop, ident;
	} loops[LOOPS_MAX];
	size_t loop_cnt;
	struct await_chain chain;
	struct strbuf name;
	u64 awaited_by[ASYNCIO_AWAITERS_MAX];
};

static void reading_free(struct reading *reading)
{
	if (reading->found)
		asyncio_found_free(reading->found);
	strbuf_deinit(&reading->name);
	free(reading);
}
DEFINE_CLEANUP(reading, struct reading *, reading_free)

const char *asyncio_state_name(enum asyncio_state state)
{
	static const char *const names[] = {
		[ASYNCIO_RUNNING] = "running",
		[ASYNCIO_READY] = "ready",
		[ASYNCIO_WAITING] = "waiting",
		[ASYNCIO_DONE] = "done",
	};

	return names[state];
}

static u64 loop_ident_find(const struct reading *reading, u64 loop)
{
	const struct python_objects *objects = reading->asyncio.objects;
	u64 attribute;
	s64 ident;

	for (size_t i = 0; i < reading->found->thread_cnt; i++)
		if (reading->found->threads[i].running_loop == loop)
			return reading->found->threads[i].ident;
	/* One that is being started or stopped; None when it does not run. */
	if (!object_attribute(objects, loop, "_thread_id", &attribute) && !object_int(objects, attribute, &ident))
		return ident;
	return 0;
}

static u64 loop_ident_get(struct reading *reading, u64 loop)
{
	for (size_t i = 0; i < reading->loop_cnt; i++)
		if (reading->loops[i].loop == loop)
			return reading->loops[i].ident;
	u64 ident = loop ? loop_ident_find(reading, loop) : 0;
	if (reading->loop_cnt < LOOPS_MAX) {
		reading->loops[reading->loop_cnt].loop = loop;
		reading->loops[reading->loop_cnt++].ident = ident;
	}
	return ident;
}

/* Text, or since 3.12 a number: nobody has asked for the name yet. */
static const char *name_read(struct reading *reading, u64 name)
{
	const struct python_objects *objects = reading->asyncio.objects;
	enum asyncio_kind kind = asyncio_kind_of(&reading->asyncio, name);
	s64 number;

	strbuf_clear(&reading->name);
	if (kind == ASYNCIO_TEXT)
		python_string_read(objects->memory, objects->layout, name, &reading->name);
	else if (kind == ASYNCIO_NUMBER && !object_int(objects, name, &number))
		strbuf_printf(&reading->name, "Task-%lld", (long long)number);
	return reading->name.at;
}

/* The frames that its loop's thread executes, out to that of the task's own coroutine. */
static void running_frames_read(struct reading *reading, const struct asyncio_future *task, u64 loop_ident)
{
	struct asyncio_objects *asyncio = &reading->asyncio;
	u64 outermost = task->coroutine + asyncio->layout.coroutine_frame;

	reading->chain.frame_cnt = 0;
	for (size_t i = 0; i < reading->found->thread_cnt; i++)
		if (reading->found->threads[i].ident == loop_ident &&
		    !await_chain_of_thread(asyncio, reading->found->threads[i].state, outermost, &reading->chain))
			return;
}

/* Without a future to wait for, or when that is done, its loop will come to it. */
static enum asyncio_state state_of(struct reading *reading, const struct asyncio_future *task)
{
	struct asyncio_future waiter;

	if (!task->is_pending || reading->chain.end == CHAIN_FINISHED)
		return ASYNCIO_DONE;
	if (reading->chain.end == CHAIN_EXECUTING ||
	    asyncio_found_has(reading->found->running, reading->found->running_cnt, task->address))
		return ASYNCIO_RUNNING;
	if (!task->waiter || asyncio_future_read(&reading->asyncio, task->waiter, &waiter) || !waiter.is_pending)
		return ASYNCIO_READY;
	return ASYNCIO_WAITING;
}

static int task_read(struct reading *reading, const struct asyncio_future *task, struct asyncio_task *ret)
{
	const struct asyncio_found *found = reading->found;

	*ret = (struct asyncio_task){
		.address = task->address,
		.name = name_read(reading, task->name),
		.loop_ident = loop_ident_get(reading, task->loop),
		.frames = reading->chain.frames,
		.awaited_by = reading->awaited_by,
		.awaited_by_cnt = asyncio_awaiters(&reading->asyncio, task, found->tasks, found->task_cnt,
						   reading->awaited_by, ASYNCIO_AWAITERS_MAX),
	};
	int err = await_chain_read(&reading->asyncio, task->coroutine, &reading->chain);
	/* One that goes on all the time is running, whatever it was a moment ago. */
	ret->state = err == -ESTALE && task->is_pending ? ASYNCIO_RUNNING : state_of(reading, task);
	if (ret->state == ASYNCIO_RUNNING)
		running_frames_read(reading, task, ret->loop_ident);
	ret->frame_cnt = reading->chain.frame_cnt;
	ret->cut = reading->chain.end == CHAIN_CUT;
	return err == -ESRCH || err == -EPERM ? err : 0;
}

/* The same task, as it was: its name, chain and state belong together. */
static bool task_holds(struct reading *reading, const struct asyncio_future *task)
{
	struct asyncio_future now;

	return !asyncio_future_read(&reading->asyncio, task->address, &now) && now.coroutine == task->coroutine &&
	       now.name == task->name && now.waiter == task->waiter && now.is_pending == task->is_pending;
}

static int task_visit(struct reading *reading, u64 address, int (*visit)(void *ctx, const struct asyncio_task *task),
		      void *ctx)
{
	struct asyncio_future future;
	struct asyncio_task task;
	bool holds = false;

	for (int i = 0; !holds && i < TRIES; i++) {
		int err = asyncio_future_read(&reading->asyncio, address, &future);

		/* A dead weak reference, or one that was freed since. A task lets go of its coroutine when it is done. */
		if (err == -EINVAL || err == -EFAULT || err == -ENOENT ||
		    (!err && !future.coroutine && future.is_pending))
			return 0;
		if (!err)
			err = task_read(reading, &future, &task);
		if (err)
			return err;
		holds = task_holds(reading, &future);
	}
	if (!holds) {
		task.state = ASYNCIO_RUNNING;
		task.frame_cnt = 0;
	}
	return visit(ctx, &task);
}

int asyncio_tasks_read(const struct python_objects *objects, u64 interpreter,
		       int (*visit)(void *ctx, const struct asyncio_task *task), void *ctx, bool *ret_complete)
{
	_cleanup_(reading) struct reading *reading = calloc(1, sizeof(*reading));
	if (!reading)
		return -ENOMEM;
	reading->name = (struct strbuf){.at = (char *)""};
	reading->asyncio.objects = objects;
	int err = asyncio_layout_of_version(objects->layout->version, objects->layout->free_threaded,
					    &reading->asyncio.layout);
	if (!err)
		err = asyncio_find(&reading->asyncio, interpreter, &reading->found);
	if (err)
		return err;

	for (size_t i = 0; !err && i < reading->found->task_cnt; i++)
		err = task_visit(reading, reading->found->tasks[i], visit, ctx);
	if (!err)
		*ret_complete = reading->found->complete;
	return err;
}
