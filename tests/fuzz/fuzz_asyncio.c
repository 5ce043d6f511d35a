/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A process's memory with an interpreter's list of tasks; the first bytes are also
 * taken for an interpreter, for a task and for a coroutine. Once as each version has it.
 */
#include "inspect/asyncio_awaiters.h"
#include "inspect/asyncio_find.h"
#include "inspect/asyncio_tasks.h"
#include "inspect/await_chain.h"
#include "python/layout.h"

#define BASE	   0x10000
#define TASKS_LIST 64 /* where the list of tasks is */

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void task_look(struct asyncio_objects *asyncio, u64 address, const struct asyncio_found *found)
{
	static struct await_chain chain;
	struct asyncio_future future;
	u64 awaiters[4];

	if (asyncio_future_read(asyncio, address, &future))
		return;
	if (asyncio_awaiters(asyncio, &future, found->tasks, found->task_cnt, awaiters, 4) > 4)
		__builtin_trap();
	if (!await_chain_read(asyncio, future.coroutine, &chain) && chain.frame_cnt > AWAIT_CHAIN_MAX)
		__builtin_trap();
}

static int task_seen(void *ctx, const struct asyncio_task *task)
{
	return task->frame_cnt > AWAIT_CHAIN_MAX || task->awaited_by_cnt > ASYNCIO_AWAITERS_MAX || !task->name;
}

static void version_look(const struct remote_memory *memory, u32 version)
{
	struct python_layout layout;
	bool complete;
	static struct await_chain chain;

	/* What a newer version says itself differs little. */
	if (python_layout_of_version(version > 0x030c0000 ? 0x030c00f0 : version, &layout))
		__builtin_trap();
	layout.version = version;
	struct python_objects objects = {.memory = memory, .layout = &layout, .runtime = BASE};
	struct asyncio_objects asyncio = {.objects = &objects};
	_cleanup_(asyncio_found) struct asyncio_found *found = NULL;
	if (object_layout_of_version(version, false, &objects.object) ||
	    asyncio_layout_of_version(version, false, &asyncio.layout))
		__builtin_trap();

	/* So that its list of tasks, which lies far behind in an interpreter, is near the beginning. */
	u64 interpreter = asyncio.layout.interpreter_tasks == ABSENT
				  ? BASE
				  : BASE + TASKS_LIST - asyncio.layout.interpreter_tasks;
	if (asyncio_tasks_read(&objects, BASE, task_seen, NULL, &complete) > 0 ||
	    asyncio_tasks_read(&objects, interpreter, task_seen, NULL, &complete) > 0)
		__builtin_trap();
	await_chain_read(&asyncio, BASE, &chain);
	await_chain_of_thread(&asyncio, BASE, BASE + 8, &chain);
	if (asyncio_find(&asyncio, interpreter, &found))
		return;
	task_look(&asyncio, BASE, found);
	for (size_t i = 0; i < found->task_cnt; i++)
		task_look(&asyncio, found->tasks[i], found);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const u32 versions[] = {0x030b00f0, 0x030c00f0, 0x030d00f0, 0x030e00f0, 0x030f00f0};
	struct remote_memory memory = remote_memory_of_bytes(data, size, BASE);

	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++)
		version_look(&memory, versions[i]);
	return 0;
}
