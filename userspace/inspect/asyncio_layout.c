/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/asyncio_layout.h"

#include <errno.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct measured_asyncio {
	u16 minor_version; /* 0x030d: 3.13 */
	u8 free_threaded;
	struct asyncio_layout layout;
};

#include "inspect/asyncio_layout_table.h"

int asyncio_layout_of_version(u32 version, bool free_threaded, struct asyncio_layout *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(measured_asyncio); i++)
		if (measured_asyncio[i].minor_version == version >> 16 &&
		    measured_asyncio[i].free_threaded == free_threaded) {
			*ret = measured_asyncio[i].layout;
			return 0;
		}
	return -ENOTSUP;
}

/* As in CPython, since 3.14. */
struct asyncio_description {
	struct {
		u64 size, name, awaited_by, is_task, awaited_by_is_set, coroutine, node;
	} task;
	struct {
		u64 size, tasks;
	} interpreter;
	struct {
		u64 size, running_loop, running_task, tasks;
	} thread;
};

_Static_assert(sizeof(struct asyncio_description) == ASYNCIO_DESCRIPTION_SIZE, "asyncio_description has a hole");

/* No object of one kind is that large, and none that small. */
static bool size_can_be(u64 size, u64 smallest, u64 largest)
{
	return size >= smallest && size <= largest && size % 8 == 0;
}

static bool pointer_can_be(u64 offset, u64 size)
{
	return offset >= 16 && offset % 8 == 0 && offset <= size - 8;
}

static bool description_can_be(const struct asyncio_description *d)
{
	return size_can_be(d->task.size, 64, 1024) && size_can_be(d->interpreter.size, 16384, 1 << 24) &&
	       size_can_be(d->thread.size, 256, 65536) && pointer_can_be(d->task.name, d->task.size) &&
	       pointer_can_be(d->task.awaited_by, d->task.size) && d->task.is_task < d->task.size &&
	       d->task.awaited_by_is_set < d->task.size && pointer_can_be(d->task.coroutine, d->task.size) &&
	       pointer_can_be(d->task.node, d->task.size) &&
	       pointer_can_be(d->interpreter.tasks, d->interpreter.size) &&
	       pointer_can_be(d->thread.running_loop, d->thread.size) &&
	       pointer_can_be(d->thread.running_task, d->thread.size) &&
	       pointer_can_be(d->thread.tasks, d->thread.size);
}

int asyncio_layout_describe(const u8 description[ASYNCIO_DESCRIPTION_SIZE], struct asyncio_layout *layout)
{
	struct asyncio_description d;

	memcpy(&d, description, sizeof(d));
	if (!description_can_be(&d))
		return -EINVAL;
	layout->task_name = d.task.name;
	layout->future_awaited_by = d.task.awaited_by;
	layout->future_awaited_by_is_set = d.task.awaited_by_is_set;
	layout->task_coroutine = d.task.coroutine;
	layout->task_node = d.task.node;
	layout->interpreter_tasks = d.interpreter.tasks;
	layout->thread_running_loop = d.thread.running_loop;
	layout->thread_running_task = d.thread.running_task;
	layout->thread_tasks = d.thread.tasks;
	return 0;
}
