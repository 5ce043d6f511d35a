/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/asyncio_find.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "inspect/asyncio_tasks.h"
#include "python/thread_list.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define TRIES	      3
#define STATE_WORDS   64 /* of _asyncio's state that are looked through for its description */

struct finder {
	struct asyncio_objects *asyncio;
	u64 interpreter;
	struct asyncio_found *found;
	bool weak; /* the set that is read has weak references */
};

void asyncio_found_free(struct asyncio_found *found)
{
	free(found->tasks);
	free(found->running);
	free(found->threads);
	free(found);
}

static int address_compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

bool asyncio_found_has(const u64 *sorted, size_t cnt, u64 address)
{
	return cnt && bsearch(&address, sorted, cnt, sizeof(*sorted), address_compare);
}

static size_t sort_unique(u64 *addresses, size_t cnt)
{
	size_t unique = 0;

	if (cnt)
		qsort(addresses, cnt, sizeof(*addresses), address_compare);
	for (size_t i = 0; i < cnt; i++)
		if (!unique || addresses[i] != addresses[unique - 1])
			addresses[unique++] = addresses[i];
	return unique;
}

static int address_add(u64 **addresses, size_t *cnt, size_t *capacity, u64 address)
{
	u64 *room = array_reserve(*addresses, capacity, *cnt + 1, sizeof(*room));

	if (!room)
		return -ENOMEM;
	*addresses = room;
	room[(*cnt)++] = address;
	return 0;
}

/* Some are found more than once: by another try, in another set. Those are merged before there is no more room. */
static int task_add(struct asyncio_found *found, u64 task)
{
	if (found->task_cnt >= 2 * ASYNCIO_TASKS_MAX)
		found->task_cnt = sort_unique(found->tasks, found->task_cnt);
	if (found->task_cnt >= 2 * ASYNCIO_TASKS_MAX) {
		found->complete = false;
		return 0;
	}
	return address_add(&found->tasks, &found->task_cnt, &found->task_capacity, task);
}

static int running_add(struct asyncio_found *found, u64 task)
{
	return address_add(&found->running, &found->running_cnt, &found->running_capacity, task);
}

static int description_read(struct asyncio_objects *asyncio, u64 address)
{
	u8 description[ASYNCIO_DESCRIPTION_SIZE];
	int err = remote_read(asyncio->objects->memory, address, description, sizeof(description));

	return err ? err : asyncio_layout_describe(description, &asyncio->layout);
}

/*
 * _asyncio's state has a pointer to the description, so that linkers keep it: it is
 * found on any file, stripped or built in, without looking at one. Nothing else that
 * a module's state points to looks like it. Without it the layout stays as measured.
 */
static void description_find(struct asyncio_objects *asyncio, u64 interpreter)
{
	u64 module, state, address;

	if (asyncio->layout.module_state == ABSENT ||
	    interpreter_module(asyncio->objects, interpreter, "_asyncio", &module) ||
	    object_word(asyncio->objects, module + asyncio->layout.module_state, &state) || !state)
		return;
	for (size_t i = 0; i < STATE_WORDS; i++)
		if (!object_word(asyncio->objects, state + 8 * i, &address) && !description_read(asyncio, address))
			return;
}

static u64 member_of(const struct asyncio_objects *asyncio, u64 address, u32 offset)
{
	u64 value;

	return offset == ABSENT || object_word(asyncio->objects, address + offset, &value) ? 0 : value;
}

static u64 running_loop_of(const struct asyncio_objects *asyncio, u64 state)
{
	const struct asyncio_layout *layout = &asyncio->layout;
	u64 dict, loop;

	if (layout->thread_dict == ABSENT)
		return member_of(asyncio, state,
				 layout->thread_running_loop +
					 (layout->running_loop_behind ? asyncio->objects->layout->thread_size : 0));
	dict = member_of(asyncio, state, layout->thread_dict);
	if (!dict || dict_find(asyncio->objects, dict, "__asyncio_running_event_loop__", &loop) ||
	    (layout->running_loop_held && asyncio_member(asyncio, loop, &loop)))
		return 0;
	return loop;
}

static int thread_add(void *ctx, const struct python_thread *thread)
{
	struct finder *finder = ctx;
	struct asyncio_found *found = finder->found;
	const struct asyncio_layout *layout = &finder->asyncio->layout;
	u64 interpreter, task;

	if (object_word(finder->asyncio->objects, thread->state + finder->asyncio->objects->layout->thread_interpreter,
			&interpreter) ||
	    interpreter != finder->interpreter)
		return 0;
	struct asyncio_thread *room = array_reserve(found->threads, &found->thread_capacity, found->thread_cnt + 1,
						    sizeof(*room));
	if (!room)
		return -ENOMEM;
	found->threads = room;
	room[found->thread_cnt++] = (struct asyncio_thread){
		.state = thread->state,
		.ident = thread->thread_pointer,
		.running_loop = running_loop_of(finder->asyncio, thread->state),
	};
	task = member_of(finder->asyncio, thread->state, layout->thread_running_task);
	return task ? running_add(found, task) : 0;
}

/* A list of tasks, doubly linked in a ring. True: it was whole. */
static int list_pass(struct finder *finder, u64 head, bool *whole)
{
	const struct asyncio_layout *layout = &finder->asyncio->layout;
	u64 node[2]; /* next, previous */
	u64 at = head, previous;
	int err = remote_read(finder->asyncio->objects->memory, head, node, sizeof(node));

	*whole = true;
	for (size_t i = 0; !err && node[0] && node[0] != head; i++) {
		previous = at;
		at = node[0];
		err = i < ASYNCIO_TASKS_MAX ? remote_read(finder->asyncio->objects->memory, at, node, sizeof(node))
					    : -EFAULT;
		if (!err && node[1] != previous)
			err = -EFAULT;
		if (!err)
			err = task_add(finder->found, at - layout->task_node);
	}
	*whole = !err;
	return err == -EFAULT ? 0 : err;
}

static int list_read(struct finder *finder, u64 head)
{
	bool whole = false;
	int err = 0;

	for (int i = 0; !whole && !err && i < TRIES; i++)
		err = list_pass(finder, head, &whole);
	if (!whole)
		finder->found->complete = false;
	return err;
}

static int lists_read(struct finder *finder)
{
	const struct asyncio_layout *layout = &finder->asyncio->layout;
	int err = 0;

	if (layout->task_node == ABSENT)
		return 0;
	for (size_t i = 0; !err && i < finder->found->thread_cnt; i++)
		err = list_read(finder, finder->found->threads[i].state + layout->thread_tasks);
	/* After them: a thread that ends leaves its tasks to the interpreter. */
	return err ? err : list_read(finder, finder->interpreter + layout->interpreter_tasks);
}

static int visit_item(void *ctx, size_t index, u64 value)
{
	struct finder *finder = ctx;

	if (finder->weak &&
	    object_word(finder->asyncio->objects, value + finder->asyncio->layout.weakref_object, &value))
		return 0;
	return task_add(finder->found, value);
}

/* What changes while it is read: once more. */
static int set_read(struct finder *finder, u64 set)
{
	const struct python_objects *objects = finder->asyncio->objects;
	u64 cnt = 0, after = 0;
	int err = -EINVAL;

	for (int i = 0; (err == -EINVAL || err == -EFAULT || cnt != after) && i < TRIES; i++) {
		err = set_count(objects, set, &cnt);
		if (!err)
			err = set_for_each(objects, set, visit_item, finder);
		if (!err)
			err = set_count(objects, set, &after);
	}
	if (err || cnt != after || cnt > OBJECT_ITEMS_MAX)
		finder->found->complete = false;
	return err == -EINVAL || err == -EFAULT ? 0 : err;
}

/*
 * To 3.13 both modules have the same sets; from 3.14 on each has those of its own that
 * are in no list: tasks written in Python, and those of other libraries. No version
 * has all of them.
 */
static const char *const task_modules[] = {"asyncio.tasks", "_asyncio"};

static const struct {
	const char *name;
	bool weak; /* a weakref.WeakSet, whose `data` is the set; else a set */
} task_sets[] = {
	{"_all_tasks", true}, /* 3.11 */
	{"_scheduled_tasks", true},
	{"_eager_tasks", false},
};

static int visit_current(void *ctx, u64 key, u64 value)
{
	struct finder *finder = ctx;

	return running_add(finder->found, value);
}

static int sets_read(struct finder *finder, u64 module)
{
	const struct python_objects *objects = finder->asyncio->objects;
	u64 set;
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(task_sets); i++) {
		finder->weak = task_sets[i].weak;
		if (module_attribute(objects, module, task_sets[i].name, &set) ||
		    (finder->weak && object_attribute(objects, set, "data", &set)))
			continue;
		err = set_read(finder, set);
	}
	/* {loop: task}; native ones of 3.14 are their threads' running task. */
	if (!err && !module_attribute(objects, module, "_current_tasks", &set))
		err = dict_for_each(objects, set, visit_current, finder);
	return err == -EINVAL || err == -EFAULT ? 0 : err;
}

static int modules_read(struct finder *finder)
{
	u64 module;
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(task_modules); i++)
		if (!interpreter_module(finder->asyncio->objects, finder->interpreter, task_modules[i], &module))
			err = sets_read(finder, module);
	return err;
}

int asyncio_find(struct asyncio_objects *asyncio, u64 interpreter, struct asyncio_found **ret)
{
	_cleanup_(asyncio_found) struct asyncio_found *found = calloc(1, sizeof(*found));
	if (!found)
		return -ENOMEM;
	struct finder finder = {.asyncio = asyncio, .interpreter = interpreter, .found = found};

	found->complete = true;
	description_find(asyncio, interpreter);
	int err = thread_list_read(asyncio->objects->memory, asyncio->objects->layout, asyncio->objects->runtime,
				   thread_add, &finder);
	if (!err)
		err = lists_read(&finder);
	if (!err)
		err = modules_read(&finder);
	if (err)
		return err;
	found->task_cnt = sort_unique(found->tasks, found->task_cnt);
	found->running_cnt = sort_unique(found->running, found->running_cnt);
	*ret = take(found);
	return 0;
}
