/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/object.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "python/string.h"
#include "inspect/text.h"

#define PAGE_SIZE      4096
#define TYPE_DEPTH_MAX 32 /* classes that one derives from, by tp_base */

int object_word(const struct python_objects *objects, u64 address, u64 *ret)
{
	return remote_read(objects->memory, address, ret, sizeof(*ret));
}

int object_type(const struct python_objects *objects, u64 address, u64 *ret)
{
	return object_word(objects, address + objects->layout->object_type, ret);
}

int object_type_flags(const struct python_objects *objects, u64 type, u64 *ret)
{
	return object_word(objects, type + objects->object.type_flags, ret);
}

/* Up to its NUL, or as much as fits. A name may be the last thing before unmapped memory: by pages. */
static int c_string_read(const struct python_objects *objects, u64 address, char *ret, size_t size)
{
	size_t done = 0;

	while (done < size - 1) {
		size_t now = PAGE_SIZE - (address + done) % PAGE_SIZE;
		if (now > size - 1 - done)
			now = size - 1 - done;
		int err = remote_read(objects->memory, address + done, ret + done, now);
		if (err)
			return err;
		if (memchr(ret + done, 0, now))
			return 0;
		done += now;
	}
	ret[done] = 0;
	return 0;
}

/* What is cut is not cut within a character. */
static int name_read(const struct python_objects *objects, u64 address, char ret[OBJECT_NAME_SIZE])
{
	char raw[OBJECT_NAME_SIZE];
	STRBUF(clean);
	int err = c_string_read(objects, address, raw, sizeof(raw));
	if (err)
		return err;

	strbuf_put_clean(&clean, raw, strlen(raw));
	if (clean.failed)
		return -ENOMEM;
	size_t size = clean.size;
	if (size >= OBJECT_NAME_SIZE) {
		size = OBJECT_NAME_SIZE - 1;
		while (size && (clean.at[size] & 0xc0) == 0x80)
			size--;
	}
	memcpy(ret, clean.at, size);
	ret[size] = 0;
	return 0;
}

static int type_name_read(const struct python_objects *objects, u64 type, char ret[OBJECT_NAME_SIZE])
{
	u64 name;
	int err = object_word(objects, type + objects->layout->type_name, &name);

	return err ? err : name_read(objects, name, ret);
}

int object_type_name(const struct python_objects *objects, u64 address, char ret[OBJECT_NAME_SIZE])
{
	u64 type;
	int err = object_type(objects, address, &type);

	return err ? err : type_name_read(objects, type, ret);
}

bool object_is_a(const struct python_objects *objects, u64 address, const char *type_name)
{
	char name[OBJECT_NAME_SIZE];
	u64 type;
	int err = object_type(objects, address, &type);

	for (int depth = 0; !err && type && depth < TYPE_DEPTH_MAX; depth++) {
		err = type_name_read(objects, type, name);
		if (!err && !strcmp(name, type_name))
			return true;
		if (!err)
			err = object_word(objects, type + objects->object.type_base, &type);
	}
	return false;
}

/* 2.7 is built with units of 2 or 4 bytes; sys.maxunicode tells. */
static void unicode_unit_find(struct python_objects *objects)
{
	u64 interpreter, module, limit;
	s64 value;

	if (objects->object.unicode_data == ABSENT)
		return;
	if (object_word(objects, objects->runtime + objects->layout->runtime_interpreters, &interpreter) ||
	    interpreter_module(objects, interpreter, "sys", &module) ||
	    module_attribute(objects, module, "maxunicode", &limit) || object_int(objects, limit, &value))
		return;
	objects->unicode_unit = value > 0xffff ? 4 : 2;
}

int python_objects_init(struct python_objects *objects, const struct remote_memory *memory,
			const struct python_layout *layout, u64 runtime)
{
	struct python_objects made = {.memory = memory, .layout = layout, .runtime = runtime};
	int err = object_layout_of_process(memory, layout, runtime, &made.object);
	if (err)
		return err;

	unicode_unit_find(&made);
	*objects = made;
	return 0;
}

int object_digits(const struct python_objects *objects, u64 address, struct object_digits *ret)
{
	const struct object_layout *layout = &objects->object;
	u64 type, flags, word;
	int err = object_type(objects, address, &type);

	if (!err)
		err = object_type_flags(objects, type, &flags);
	if (!err && !(flags & TYPE_IS_LONG))
		err = -EINVAL;
	if (!err)
		err = object_word(objects, address + (layout->long_tag == ABSENT ? layout->item_cnt : layout->long_tag),
				  &word);
	if (err)
		return err;

	struct object_digits digits = {.address = address + layout->long_digits};
	if (layout->long_tag == ABSENT) {
		digits.negative = (s64)word < 0;
		digits.cnt = digits.negative ? -word : word;
	} else {
		digits.negative = (word & 3) == 2;
		digits.cnt = (word & 3) == 1 ? 0 : word >> 3;
	}
	if (digits.cnt > PYTHON_TEXT_LENGTH_MAX)
		return -EINVAL;
	*ret = digits;
	return 0;
}

int object_digit(const struct python_objects *objects, const struct object_digits *digits, u64 index, u32 *ret)
{
	const struct object_layout *layout = &objects->object;
	u32 value = 0;
	int err = remote_read(objects->memory, digits->address + index * layout->long_digit_size, &value,
			      layout->long_digit_size);

	if (!err && value >> layout->long_digit_bits)
		err = -EINVAL;
	if (!err)
		*ret = value;
	return err;
}

static int long_read(const struct python_objects *objects, u64 address, s64 *ret)
{
	struct object_digits digits;
	u64 value = 0;
	int err = object_digits(objects, address, &digits);

	for (u64 i = digits.cnt; !err && i; i--) {
		u32 digit;

		err = object_digit(objects, &digits, i - 1, &digit);
		if (!err && value >> (63 - objects->object.long_digit_bits))
			err = -ERANGE;
		if (!err)
			value = value << objects->object.long_digit_bits | digit;
	}
	if (!err)
		*ret = digits.negative ? -(s64)value : (s64)value;
	return err;
}

int object_int(const struct python_objects *objects, u64 address, s64 *ret)
{
	u64 type, flags, value;
	int err = object_type(objects, address, &type);

	if (!err)
		err = object_type_flags(objects, type, &flags);
	if (err)
		return err;
	if (objects->object.int_value == ABSENT || !(flags & TYPE_IS_INT))
		return long_read(objects, address, ret);
	err = object_word(objects, address + objects->object.int_value, &value);
	if (!err)
		*ret = value;
	return err;
}

int object_text(const struct python_objects *objects, u64 address, struct strbuf *b)
{
	struct python_text text;
	u32 points[PYTHON_STRING_MAX];
	size_t cnt;
	int err = python_text_find(objects, address, &text);

	if (!err)
		err = python_text_read(objects, &text, PYTHON_STRING_MAX, points, &cnt);
	if (err)
		return err;
	if (text.is_bytes) {
		char bytes[PYTHON_STRING_MAX];

		for (size_t i = 0; i < cnt; i++)
			bytes[i] = points[i];
		strbuf_put_clean(b, bytes, cnt);
	} else {
		for (size_t i = 0; i < cnt; i++)
			python_point_put(b, points[i]);
	}
	if (cnt == PYTHON_STRING_MAX && text.length > cnt)
		python_point_put(b, 0x2026);
	return b->failed ? -ENOMEM : 0;
}

bool object_is_text(const struct python_objects *objects, u64 address, const char *expected)
{
	struct python_text text;
	u32 points[OBJECT_NAME_SIZE];
	size_t size = strlen(expected), cnt;

	if (size > OBJECT_NAME_SIZE || python_text_find(objects, address, &text) || text.length != size ||
	    python_text_read(objects, &text, size, points, &cnt) || cnt != size)
		return false;
	for (size_t i = 0; i < size; i++)
		if (points[i] != (u8)expected[i])
			return false;
	return true;
}

int object_cell(const struct python_objects *objects, u64 address, u64 *ret)
{
	char name[OBJECT_NAME_SIZE];
	int err = object_type_name(objects, address, name);

	if (!err && strcmp(name, "cell"))
		err = -EINVAL;
	return err ? err : object_word(objects, address + objects->object.cell_value, ret);
}

static int builtin_read(const struct python_objects *objects, u64 address, struct object_callable *ret)
{
	u64 definition, name;
	int err = object_word(objects, address + objects->object.builtin_definition, &definition);

	if (!err)
		err = object_word(objects, definition + objects->object.definition_name, &name);
	if (!err)
		err = name_read(objects, name, ret->name);
	return err ? err : object_word(objects, address + objects->object.builtin_self, &ret->self);
}

static int method_read(const struct python_objects *objects, u64 address, struct object_callable *ret)
{
	int err = object_word(objects, address + objects->object.method_function, &ret->function);

	return err ? err : object_word(objects, address + objects->object.method_self, &ret->self);
}

int object_callable(const struct python_objects *objects, u64 address, struct object_callable *ret)
{
	struct object_callable callable = {0};
	char type[OBJECT_NAME_SIZE];
	int err = object_type_name(objects, address, type);

	if (err)
		return err;
	if (!strcmp(type, "builtin_function_or_method"))
		err = builtin_read(objects, address, &callable);
	else if (!strcmp(type, "method") || !strcmp(type, "instancemethod"))
		err = method_read(objects, address, &callable);
	else
		err = -EINVAL;
	if (!err)
		*ret = callable;
	return err;
}

struct object_slot object_slot_of(const struct python_objects *objects, u64 word)
{
	u16 tags = objects->object.slot_tags, int_tag = objects->object.slot_int_tag;

	if (int_tag && (word & tags) == int_tag)
		return (struct object_slot){.is_int = true, .value = (s64)word >> 2};
	return (struct object_slot){.address = word & ~(u64)tags};
}

int interpreter_modules(const struct python_objects *objects, u64 interpreter, u64 *ret)
{
	u64 modules;
	int err = object_word(objects, interpreter + objects->object.interpreter_modules, &modules);

	if (!err && !modules)
		err = -ENOENT;
	if (!err)
		*ret = modules;
	return err;
}

int interpreter_module(const struct python_objects *objects, u64 interpreter, const char *name, u64 *ret)
{
	u64 modules;
	int err = interpreter_modules(objects, interpreter, &modules);

	return err ? err : dict_find(objects, modules, name, ret);
}

int module_attribute(const struct python_objects *objects, u64 module, const char *name, u64 *ret)
{
	return object_attribute(objects, module, name, ret);
}
