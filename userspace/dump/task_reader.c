/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "dump/task_reader.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "inspect/asyncio_tasks.h"

struct reading {
	struct stack_reader *stacks;
	struct snapshot *snapshot;
	u32 interpreter;
	struct dump_task *at;
	size_t cnt, capacity;
	int err;
};

static int task_fill(struct reading *reading, const struct asyncio_task *task, struct dump_task *ret)
{
	struct snapshot *snapshot = reading->snapshot;
	struct stack_frames frames;
	u64 *awaited_by = snapshot_room(snapshot, task->awaited_by_cnt, sizeof(*awaited_by));

	if (!awaited_by)
		return -ENOMEM;
	if (task->awaited_by_cnt)
		memcpy(awaited_by, task->awaited_by, task->awaited_by_cnt * sizeof(*awaited_by));
	int err = stack_reader_given(reading->stacks, snapshot, task->frames, task->frame_cnt, &frames);
	if (err)
		return err;
	*ret = (struct dump_task){
		.address = task->address,
		.interpreter = reading->interpreter,
		.loop_ident = task->loop_ident,
		.name = snapshot_text(snapshot, task->name),
		.state = asyncio_state_name(task->state),
		.frames = frames.frames,
		.frame_cnt = frames.cnt,
		.cut = task->cut,
		.awaited_by = awaited_by,
		.awaited_by_cnt = task->awaited_by_cnt,
	};
	err = stack_reader_name(reading->stacks, snapshot, &frames);
	return err ? err : ret->name ? 0 : -ENOMEM;
}

static int on_task(void *ctx, const struct asyncio_task *task)
{
	struct reading *reading = ctx;
	struct dump_task *at = array_reserve(reading->at, &reading->capacity, reading->cnt + 1, sizeof(*at));

	if (!at)
		return reading->err = -ENOMEM;
	reading->at = at;
	reading->err = task_fill(reading, task, &at[reading->cnt]);
	reading->cnt += !reading->err;
	return reading->err;
}

static int tasks_keep(struct reading *reading)
{
	struct snapshot *snapshot = reading->snapshot;
	size_t cnt = snapshot->task_cnt + reading->cnt;
	struct dump_task *room = snapshot_room(snapshot, cnt, sizeof(*room));

	if (!room)
		return -ENOMEM;
	if (snapshot->task_cnt)
		memcpy(room, snapshot->tasks, snapshot->task_cnt * sizeof(*room));
	if (reading->cnt)
		memcpy(room + snapshot->task_cnt, reading->at, reading->cnt * sizeof(*room));
	snapshot->tasks = room;
	snapshot->task_cnt = cnt;
	return 0;
}

int tasks_read(const struct python_objects *objects, u64 interpreter, u32 interpreter_id, struct stack_reader *stacks,
	       struct snapshot *snapshot)
{
	struct reading reading = {.stacks = stacks, .snapshot = snapshot, .interpreter = interpreter_id};
	bool complete = false;

	int err = asyncio_tasks_read(objects, interpreter, on_task, &reading, &complete);
	/* What could not be read of the process leaves fewer tasks, not fewer threads. */
	enum tasks_read answer = err == -ENOTSUP ? TASKS_UNSUPPORTED : err || !complete ? TASKS_SOME : TASKS_ALL;
	if (answer > snapshot->tasks_read)
		snapshot->tasks_read = answer;
	err = err == -ENOMEM ? err : reading.err;
	if (!err)
		err = tasks_keep(&reading);
	free(reading.at);
	return err;
}
