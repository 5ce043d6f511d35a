/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An object, read as everything that an object can be, in a memory that is the input
 * over and over: so almost every address leads somewhere. The first byte chooses the
 * version.
 */
#include "inspect/value.h"

#include <errno.h>
#include <string.h>

#include "inspect/gil.h"
#include "python/layout.h"
#include "inspect/thread_name.h"
#include "inspect/variables.h"

#define BASE	   0x10000
#define MAPPED_END (1ull << 47)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static int wrapped_read(const struct remote_memory *memory, u64 address, void *ret, size_t size)
{
	const u8 *bytes = memory->bytes;

	if (address < BASE || address >= MAPPED_END || size > MAPPED_END)
		return -EFAULT;
	for (size_t i = 0; i < size; i++)
		((u8 *)ret)[i] = bytes[(address - BASE + i) % memory->size];
	return 0;
}

static int variable_visit(void *ctx, const char *name, const char *value, bool is_argument)
{
	size_t *cnt = ctx;

	if (++*cnt > PYTHON_VARIABLES_MAX || strlen(value) > 8 * PYTHON_VALUE_SIZE_MAX)
		__builtin_trap();
	return 0;
}

static int name_visit(void *ctx, u64 ident, const char *name)
{
	return 0;
}

static void others_read(const struct python_objects *objects)
{
	const struct python_value_options options = PYTHON_VALUE_OPTIONS;
	struct python_interpreter interpreters[8];
	struct object_callable callable;
	enum runtime_state state;
	struct python_gil gil;
	size_t cnt = 8, variable_cnt = 0;
	u64 value;

	(void)python_variables_read(objects, BASE, BASE, &options, variable_visit, &variable_cnt);
	(void)thread_names_read(objects, BASE, name_visit, NULL);
	(void)gil_read(objects, 0, BASE, &gil);
	(void)runtime_state_read(objects, &state);
	(void)object_callable(objects, BASE, &callable);
	(void)object_attribute(objects, BASE, "name", &value);
	if (!interpreter_list_read(objects, interpreters, &cnt) && cnt > 8)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const u32 versions[] = {0x020712f0, 0x03060ff0, 0x030a0df0, 0x030b07f0,
				       0x030c03f0, 0x030d00f0, 0x030e00f0};
	const struct python_value_options options = {.text_max = 64, .item_max = 16, .depth_max = 4};
	struct python_layout layout;
	STRBUF(text);

	if (size < 2)
		return 0;
	struct remote_memory memory = {.read = wrapped_read, .bytes = data + 1, .size = size - 1};
	struct python_objects objects = {.memory = &memory, .layout = &layout, .runtime = BASE, .unicode_unit = 2};
	u32 version = versions[data[0] % (sizeof(versions) / sizeof(*versions))];
	bool free_threaded = data[0] & 0x80 && version >= 0x030d0000;

	/* Of strings and types all versions from 3.13 on have the same layout. */
	if (object_layout_of_version(version, free_threaded, &objects.object) ||
	    python_layout_of_version(version < 0x030d0000 ? version : 0x030c03f0, &layout))
		__builtin_trap();
	if (python_value_put(&text, &objects, BASE, &options) || !text.size || strlen(text.at) != text.size ||
	    strpbrk(text.at, "\n\r\t"))
		__builtin_trap();
	others_read(&objects);
	return 0;
}
