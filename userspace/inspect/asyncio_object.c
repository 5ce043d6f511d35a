/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/asyncio_object.h"

#include <errno.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct type_row {
	const char *name; /* tp_name */
	bool derived; /* so are those that derive from it */
	enum asyncio_kind kind;
};

/* clang-format off */
static const struct type_row type_rows[] = {
	{"coroutine", false, ASYNCIO_COROUTINE},
	{"generator", false, ASYNCIO_COROUTINE},
	{"async_generator", false, ASYNCIO_COROUTINE},
	{"coroutine_wrapper", false, ASYNCIO_WRAPPER},
	{"async_generator_asend", false, ASYNCIO_WRAPPER},
	{"async_generator_athrow", false, ASYNCIO_WRAPPER},
	{"anext_awaitable", false, ASYNCIO_WRAPPER},
	{"function", false, ASYNCIO_FUNCTION},
	{"method", false, ASYNCIO_METHOD},
	{"builtin_function_or_method", false, ASYNCIO_BUILTIN},
	{"functools.partial", true, ASYNCIO_PARTIAL},
	{"str", true, ASYNCIO_TEXT},
	{"int", true, ASYNCIO_NUMBER},
	{"_asyncio.Task", true, ASYNCIO_TASK},
	{"_asyncio.Future", true, ASYNCIO_FUTURE},
};
/* clang-format on */

static enum asyncio_kind kind_find(const struct asyncio_objects *asyncio, u64 address)
{
	char name[OBJECT_NAME_SIZE];

	if (object_type_name(asyncio->objects, address, name))
		return ASYNCIO_OTHER;
	for (size_t i = 0; i < ARRAY_SIZE(type_rows); i++)
		if (!strcmp(name, type_rows[i].name) ||
		    (type_rows[i].derived && object_is_a(asyncio->objects, address, type_rows[i].name)))
			return type_rows[i].kind;
	return ASYNCIO_OTHER;
}

enum asyncio_kind asyncio_kind_of(struct asyncio_objects *asyncio, u64 address)
{
	u64 type;

	if (!address || object_type(asyncio->objects, address, &type))
		return ASYNCIO_OTHER;
	for (u32 i = 0; i < asyncio->type_cnt; i++)
		if (asyncio->types[i].type == type)
			return asyncio->types[i].kind;
	enum asyncio_kind kind = kind_find(asyncio, address);
	if (asyncio->type_cnt < ASYNCIO_TYPES_MAX) {
		asyncio->types[asyncio->type_cnt].type = type;
		asyncio->types[asyncio->type_cnt++].kind = kind;
	}
	return kind;
}

int asyncio_member(const struct asyncio_objects *asyncio, u64 address, u64 *ret)
{
	return object_word(asyncio->objects, address + asyncio->objects->object.object_size, ret);
}

#define NATIVE_SIZE_MAX 512 /* bytes; no layout has more */

/* How many bytes of a native future, or task, are read, in one go: so what it says was so at one moment. */
static size_t native_size(const struct asyncio_layout *layout, bool is_task)
{
	const struct {
		u16 offset, size;
		bool of_task;
	} members[] = {
		{layout->future_loop, 8, false},       {layout->future_callback, 8, false},
		{layout->future_callbacks, 8, false},  {layout->future_state, 4, false},
		{layout->future_awaited_by, 8, false}, {layout->future_awaited_by_is_set, 1, false},
		{layout->task_coroutine, 8, true},     {layout->task_name, 8, true},
		{layout->task_waiter, 8, true},
	};
	size_t size = 0;

	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (members[i].offset != ABSENT && members[i].offset + members[i].size > (int)size &&
		    (is_task || !members[i].of_task))
			size = members[i].offset + members[i].size;
	return size;
}

/* Some members are smaller, and followed by others. */
static u64 member_of(const u8 *bytes, u16 offset)
{
	u64 value = 0;

	if (offset != ABSENT)
		memcpy(&value, bytes + offset, sizeof(value));
	return value;
}

static int native_read(const struct asyncio_objects *asyncio, u64 address, bool is_task, struct asyncio_future *ret)
{
	const struct asyncio_layout *layout = &asyncio->layout;
	u8 bytes[NATIVE_SIZE_MAX + 8] = {0};
	size_t size = native_size(layout, is_task);
	int err = size <= NATIVE_SIZE_MAX ? remote_read(asyncio->objects->memory, address, bytes, size) : -EINVAL;

	if (err)
		return err;
	*ret = (struct asyncio_future){
		.address = address,
		.is_native = true,
		.is_pending = !(u32)member_of(bytes, layout->future_state),
		.loop = member_of(bytes, layout->future_loop),
		.callback = member_of(bytes, layout->future_callback),
		.callbacks = member_of(bytes, layout->future_callbacks),
		.awaited_by = member_of(bytes, layout->future_awaited_by),
		.awaited_by_is_set = (u8)member_of(bytes, layout->future_awaited_by_is_set),
	};
	if (is_task) {
		ret->coroutine = member_of(bytes, layout->task_coroutine);
		ret->name = member_of(bytes, layout->task_name);
		ret->waiter = member_of(bytes, layout->task_waiter);
	}
	return 0;
}

static u64 attribute_of(const struct asyncio_objects *asyncio, u64 address, const char *name)
{
	u64 value;

	return object_attribute(asyncio->objects, address, name, &value) ? 0 : value;
}

static int plain_read(const struct asyncio_objects *asyncio, u64 address, struct asyncio_future *ret)
{
	u64 loop, callbacks;
	int err = object_attribute(asyncio->objects, address, "_loop", &loop);

	if (!err)
		err = object_attribute(asyncio->objects, address, "_callbacks", &callbacks);
	if (err)
		return err == -ENOENT ? -EINVAL : err;
	*ret = (struct asyncio_future){
		.address = address,
		/* The class says "PENDING" of all that do not say something else. */
		.is_pending = !attribute_of(asyncio, address, "_state"),
		.loop = loop,
		.coroutine = attribute_of(asyncio, address, "_coro"),
		.name = attribute_of(asyncio, address, "_name"),
		.waiter = attribute_of(asyncio, address, "_fut_waiter"),
		.callbacks = callbacks,
		.awaited_by = attribute_of(asyncio, address, "_Future__asyncio_awaited_by"),
		.awaited_by_is_set = true,
	};
	return 0;
}

int asyncio_future_read(struct asyncio_objects *asyncio, u64 address, struct asyncio_future *ret)
{
	enum asyncio_kind kind = asyncio_kind_of(asyncio, address);

	if (kind == ASYNCIO_TASK || kind == ASYNCIO_FUTURE)
		return native_read(asyncio, address, kind == ASYNCIO_TASK, ret);
	return kind == ASYNCIO_OTHER ? plain_read(asyncio, address, ret) : -EINVAL;
}
