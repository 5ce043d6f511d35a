/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/value.h"

#include <errno.h>
#include <string.h>

#include "inspect/number.h"
#include "inspect/quote.h"

#define TYPE_IS_HEAP (1ull << 9) /* made by a class statement; the same in all versions */
#define DEPTH_MAX    8 /* our own recursion */
#define STOP	     1 /* of a visit: enough */

struct value_writer {
	struct strbuf *b;
	const struct python_objects *objects;
	const struct python_value_options *options;
	size_t begin; /* of the text in b */
	u32 depth; /* containers that are open */
};

struct value_object {
	u64 address, flags;
	char type[OBJECT_NAME_SIZE];
};

static int value_put(struct value_writer *writer, u64 address);

/* Nothing can be read any more; other errors are about one object. */
static bool is_fatal(int err)
{
	return err == -ENOMEM || err == -ESRCH || err == -EPERM;
}

static bool writer_is_full(const struct value_writer *writer)
{
	return writer->b->size - writer->begin >= PYTHON_VALUE_SIZE_MAX;
}

static int none_put(struct value_writer *writer, const struct value_object *object)
{
	strbuf_put(writer->b, "None");
	return 0;
}

static int bool_put(struct value_writer *writer, const struct value_object *object)
{
	s64 value;
	int err = object_int(writer->objects, object->address, &value);

	if (!err)
		strbuf_put(writer->b, value ? "True" : "False");
	return err;
}

static int int_put(struct value_writer *writer, const struct value_object *object)
{
	return python_int_put(writer->b, writer->objects, object->address);
}

static int float_put(struct value_writer *writer, const struct value_object *object)
{
	double value;
	int err = remote_read(writer->objects->memory, object->address + writer->objects->object.float_value, &value,
			      sizeof(value));

	if (!err)
		python_float_put(writer->b, value);
	return err;
}

static int text_put(struct value_writer *writer, const struct value_object *object)
{
	return python_quote_text(writer->b, writer->objects, object->address, writer->options->text_max);
}

static int bytes_put(struct value_writer *writer, const struct value_object *object)
{
	return python_quote_bytes(writer->b, writer->objects, object->address, writer->options->text_max);
}

/* How a container is written; sets in two ways, of which 2.7's is the older. */
struct container_form {
	const char *type;
	bool old;
	const char *open, *close, *empty, *deep;
	int (*count)(const struct python_objects *objects, u64 address, u64 *ret);
};

static const struct container_form container_forms[] = {
	{"list", false, "[", "]", "[]", "[...]", list_count},
	{"tuple", false, "(", ")", "()", "(...)", tuple_count},
	{"dict", false, "{", "}", "{}", "{...}", dict_count},
	{"set", true, "set([", "])", "set([])", "set(...)", set_count},
	{"frozenset", true, "frozenset([", "])", "frozenset([])", "frozenset(...)", set_count},
	{"set", false, "{", "}", "set()", "{...}", set_count},
	{"frozenset", false, "frozenset({", "})", "frozenset()", "frozenset(...)", set_count},
	{0},
};

static const struct container_form *container_form_find(const struct python_objects *objects, const char *type)
{
	bool old = objects->layout->string_state == ABSENT;
	const struct container_form *form = container_forms;

	while (form->type && (strcmp(form->type, type) || (form->old && !old)))
		form++;
	return form->type ? form : NULL;
}

struct item_writer {
	struct value_writer *writer;
	u32 cnt; /* written */
};

/* True: no more; it says so. */
static bool item_begin(struct item_writer *items)
{
	struct value_writer *writer = items->writer;
	bool full = items->cnt == writer->options->item_max || writer_is_full(writer);

	if (items->cnt)
		strbuf_put(writer->b, ", ");
	if (full)
		strbuf_put(writer->b, "...");
	items->cnt++;
	return full;
}

static int item_put(void *ctx, size_t index, u64 value)
{
	struct item_writer *items = ctx;

	return item_begin(items) ? STOP : value_put(items->writer, value);
}

static int pair_put(void *ctx, u64 key, u64 value)
{
	struct item_writer *items = ctx;

	if (item_begin(items))
		return STOP;
	int err = value_put(items->writer, key);
	strbuf_put(items->writer->b, ": ");
	return err ? err : value_put(items->writer, value);
}

static int items_put(struct item_writer *items, const struct value_object *object)
{
	const struct python_objects *objects = items->writer->objects;

	if (object->flags & TYPE_IS_DICT)
		return dict_for_each(objects, object->address, pair_put, items);
	if (object->flags & TYPE_IS_LIST)
		return list_for_each(objects, object->address, item_put, items);
	if (object->flags & TYPE_IS_TUPLE)
		return tuple_for_each(objects, object->address, item_put, items);
	return set_for_each(objects, object->address, item_put, items);
}

static int container_put(struct value_writer *writer, const struct value_object *object)
{
	const struct container_form *form = container_form_find(writer->objects, object->type);
	struct item_writer items = {.writer = writer};
	u64 cnt;
	int err = form ? form->count(writer->objects, object->address, &cnt) : -EINVAL;

	if (err)
		return err;
	if (!cnt || writer->depth == writer->options->depth_max || writer->depth == DEPTH_MAX) {
		strbuf_put(writer->b, cnt ? form->deep : form->empty);
		return 0;
	}
	strbuf_put(writer->b, form->open);
	writer->depth++;
	err = items_put(&items, object);
	writer->depth--;
	if (err < 0 && !is_fatal(err)) {
		item_begin(&items);
		strbuf_put(writer->b, "<unreadable>");
	}
	if (object->flags & TYPE_IS_TUPLE && cnt == 1)
		strbuf_put_char(writer->b, ',');
	strbuf_put(writer->b, form->close);
	return is_fatal(err) ? err : 0;
}

/* Exactly these types: a class may say anything of what derives from them. */
static const struct {
	const char *type;
	u64 flags; /* that it must have */
	int (*put)(struct value_writer *writer, const struct value_object *object);
} value_forms[] = {
	{"NoneType", 0, none_put},
	{"bool", 0, bool_put},
	{"int", TYPE_IS_INT, int_put},
	{"int", TYPE_IS_LONG, int_put},
	{"long", TYPE_IS_LONG, int_put},
	{"float", 0, float_put},
	{"str", TYPE_IS_UNICODE, text_put},
	{"unicode", TYPE_IS_UNICODE, text_put},
	{"str", TYPE_IS_BYTES, text_put},
	{"bytes", TYPE_IS_BYTES, bytes_put},
	{"list", TYPE_IS_LIST, container_put},
	{"tuple", TYPE_IS_TUPLE, container_put},
	{"dict", TYPE_IS_DICT, container_put},
	{"set", 0, container_put},
	{"frozenset", 0, container_put},
};

static int object_put(struct value_writer *writer, const struct value_object *object)
{
	for (size_t i = 0; i < sizeof(value_forms) / sizeof(*value_forms); i++)
		if (!(object->flags & TYPE_IS_HEAP) && !strcmp(object->type, value_forms[i].type) &&
		    (object->flags & value_forms[i].flags) == value_forms[i].flags)
			return value_forms[i].put(writer, object);
	strbuf_printf(writer->b, "<%s at %#llx>", object->type, object->address);
	return 0;
}

static int value_put(struct value_writer *writer, u64 address)
{
	struct value_object object = {.address = address};
	u64 type;
	int err = object_type(writer->objects, address, &type);

	if (!err)
		err = object_type_flags(writer->objects, type, &object.flags);
	if (!err)
		err = object_type_name(writer->objects, address, object.type);
	if (!err)
		err = object_put(writer, &object);
	if (err < 0 && !is_fatal(err)) {
		strbuf_printf(writer->b, "<unreadable at %#llx>", address);
		err = 0;
	}
	return err;
}

int python_value_put(struct strbuf *b, const struct python_objects *objects, u64 address,
		     const struct python_value_options *options)
{
	struct value_writer writer = {.b = b, .objects = objects, .options = options, .begin = b->size};
	int err = value_put(&writer, address);

	if (!err && b->failed)
		err = -ENOMEM;
	return err;
}
