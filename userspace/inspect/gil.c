/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/gil.h"

#include <errno.h>

static int read_s32(const struct python_objects *objects, u64 address, s32 *ret)
{
	return remote_read(objects->memory, address, ret, sizeof(*ret));
}

/* Address of the struct _gil_runtime_state; 0: this version has none, or there is none yet. */
static int gil_find(const struct python_objects *objects, u64 interpreter, u64 *ret)
{
	const struct object_layout *layout = &objects->object;

	if (layout->interpreter_gil != ABSENT)
		return object_word(objects, interpreter + layout->interpreter_gil, ret);
	*ret = layout->runtime_gil == ABSENT ? 0 : objects->runtime + layout->runtime_gil;
	return 0;
}

static int gil_is_enabled(const struct python_objects *objects, u64 gil, bool *ret)
{
	s32 enabled = 1;
	u16 at = objects->object.gil_enabled;
	int err = at == ABSENT ? 0 : read_s32(objects, gil + at, &enabled);

	*ret = enabled;
	return err;
}

/* It says who had it last; only while it is locked does that one have it. */
static int holder_read(const struct python_objects *objects, u64 gil, u64 *ret)
{
	s32 locked;
	u64 holder = 0;
	int err = read_s32(objects, gil + objects->object.gil_locked, &locked);

	if (!err && locked > 0) /* -1: not initialised */
		err = object_word(objects, gil + objects->object.gil_holder, &holder);
	if (!err)
		*ret = holder;
	return err;
}

int gil_read(const struct python_objects *objects, u64 current, u64 interpreter, struct python_gil *ret)
{
	struct python_gil found = {.exists = true};
	u64 gil;
	int err = gil_find(objects, interpreter, &gil);

	if (!err && gil) {
		found.start = gil + objects->object.gil_condition;
		found.end = gil + objects->object.gil_size;
		err = gil_is_enabled(objects, gil, &found.exists);
	}
	if (!err && current)
		err = object_word(objects, current, &found.holder);
	else if (!err && gil && found.exists)
		err = holder_read(objects, gil, &found.holder);
	if (!err)
		*ret = found;
	return err;
}

int interpreter_id_read(const struct python_objects *objects, u64 interpreter, u64 *ret)
{
	if (objects->object.interpreter_id == ABSENT)
		return -ENOENT;
	return object_word(objects, interpreter + objects->object.interpreter_id, ret);
}

static bool list_contains(const struct python_interpreter *list, size_t cnt, u64 address)
{
	for (size_t i = 0; i < cnt; i++)
		if (list[i].address == address)
			return true;
	return false;
}

/* The head is the newest: without numbers of CPython's own, the last one is the main one. */
static int interpreters_number(const struct python_objects *objects, struct python_interpreter *list, size_t cnt)
{
	int err = 0;

	for (size_t i = 0; !err && i < cnt; i++) {
		err = interpreter_id_read(objects, list[i].address, &list[i].id);
		if (err == -ENOENT) {
			list[i].id = cnt - 1 - i;
			err = 0;
		}
	}
	return err;
}

int interpreter_list_read(const struct python_objects *objects, struct python_interpreter *ret, size_t *cnt)
{
	size_t found = 0;
	u64 address;
	int err = object_word(objects, objects->runtime + objects->layout->runtime_interpreters, &address);

	while (!err && address && found < *cnt && !list_contains(ret, found, address)) {
		ret[found++] = (struct python_interpreter){.address = address};
		err = object_word(objects, address + objects->layout->interpreter_next, &address);
	}
	if (err && !(err == -EFAULT && found > 1)) /* one that was freed under us ends the list */
		return err;
	if (err)
		found--;
	if (!found)
		return -ENOENT;
	err = interpreters_number(objects, ret, found);
	if (!err)
		*cnt = found;
	return err;
}

/* Without a word about it: it runs as soon as there is an interpreter. */
static int initialized_read(const struct python_objects *objects, bool *ret)
{
	u64 interpreter;
	s32 initialized;
	int err;

	if (objects->object.runtime_initialized != ABSENT) {
		err = read_s32(objects, objects->runtime + objects->object.runtime_initialized, &initialized);
		*ret = !err && initialized;
		return err;
	}
	err = object_word(objects, objects->runtime + objects->layout->runtime_interpreters, &interpreter);
	*ret = !err && interpreter;
	return err;
}

int runtime_state_read(const struct python_objects *objects, enum runtime_state *ret)
{
	u16 at = objects->object.runtime_finalizing;
	u64 finalizing = 0;
	bool initialized;
	int err = at == ABSENT ? 0 : object_word(objects, objects->runtime + at, &finalizing);

	if (!err)
		err = initialized_read(objects, &initialized);
	if (!err) /* finalizing begins with it not being initialised any more */
		*ret = finalizing ? RUNTIME_FINALIZING : initialized ? RUNTIME_RUNNING : RUNTIME_STARTING;
	return err;
}
