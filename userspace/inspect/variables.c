/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/variables.h"

#include <errno.h>
#include <string.h>

/* co_flags: the same in all versions. */
#define CODE_HAS_VARARGS     4
#define CODE_HAS_VARKEYWORDS 8

/* co_localspluskinds (Include/internal/pycore_code.h): the slot holds a cell. */
#define KIND_IN_CELL 0xc0

struct variable {
	u64 name; /* address of the str */
	u32 slot;
	bool in_cell;
	bool is_argument;
};

struct variable_list {
	struct variable variables[PYTHON_VARIABLES_MAX];
	u32 cnt;
};

static int code_s32(const struct python_objects *objects, u64 code, u16 at, u32 *ret)
{
	s32 value = 0;
	int err = at == ABSENT ? 0 : remote_read(objects->memory, code + at, &value, sizeof(value));

	if (!err && value < 0)
		err = -EINVAL;
	if (!err)
		*ret = value;
	return err;
}

static int argument_cnt_read(const struct python_objects *objects, u64 code, u32 *ret)
{
	const struct object_layout *layout = &objects->object;
	u32 positional, keyword, flags;
	int err = code_s32(objects, code, layout->code_argument_cnt, &positional);

	if (!err)
		err = code_s32(objects, code, layout->code_keyword_cnt, &keyword);
	if (!err)
		err = code_s32(objects, code, layout->code_flags, &flags);
	if (!err && (positional > 1 << 20 || keyword > 1 << 20))
		err = -EINVAL;
	if (!err)
		*ret = positional + keyword + !!(flags & CODE_HAS_VARARGS) + !!(flags & CODE_HAS_VARKEYWORDS);
	return err;
}

/* Names of consecutive slots. */
struct name_reader {
	struct variable_list *list;
	u32 slot; /* of the first */
	u32 argument_cnt;
	bool in_cell;
};

static int name_visit(void *ctx, size_t index, u64 name)
{
	struct name_reader *reader = ctx;
	struct variable_list *list = reader->list;

	if (list->cnt == PYTHON_VARIABLES_MAX)
		return 0;
	list->variables[list->cnt++] = (struct variable){
		.name = name,
		.slot = reader->slot + index,
		.in_cell = reader->in_cell,
		.is_argument = index < reader->argument_cnt,
	};
	return 0;
}

/* The names in a tuple of the code object, whose address is at this offset. */
static int names_read(const struct python_objects *objects, u64 code, u16 at, struct name_reader *reader, u64 *cnt)
{
	u64 names;
	int err = object_word(objects, code + at, &names);

	if (!err)
		err = tuple_count(objects, names, cnt);
	if (!err && *cnt > OBJECT_ITEMS_MAX)
		err = -EINVAL;
	return err ? err : tuple_for_each(objects, names, name_visit, reader);
}

/* To 3.10 an argument that is closed over has moved to the cell of the same name: it is interned. */
static void arguments_move_to_cells(struct variable_list *list, u32 local_cnt)
{
	u32 kept = local_cnt;

	for (u32 i = local_cnt; i < list->cnt; i++) {
		const struct variable *cell = &list->variables[i];
		u32 argument = 0;

		while (argument < local_cnt &&
		       !(list->variables[argument].is_argument && list->variables[argument].name == cell->name))
			argument++;
		if (argument < local_cnt) {
			list->variables[argument].slot = cell->slot;
			list->variables[argument].in_cell = true;
		} else {
			list->variables[kept++] = *cell;
		}
	}
	list->cnt = kept;
}

/* To 3.10: locals, then the cells that it makes, then those that it was given. */
static int old_list_read(const struct python_objects *objects, u64 code, u32 argument_cnt, struct variable_list *list)
{
	const struct object_layout *layout = &objects->object;
	struct name_reader locals = {.list = list, .argument_cnt = argument_cnt};
	u64 local_cnt, cell_cnt, free_cnt;
	int err = names_read(objects, code, layout->code_local_names, &locals, &local_cnt);
	if (err)
		return err;

	u32 local_listed = list->cnt;
	struct name_reader cells = {.list = list, .slot = local_cnt, .in_cell = true};
	err = names_read(objects, code, layout->code_cell_names, &cells, &cell_cnt);
	if (err)
		return err;
	struct name_reader given = {.list = list, .slot = local_cnt + cell_cnt, .in_cell = true};
	err = names_read(objects, code, layout->code_free_names, &given, &free_cnt);
	if (!err)
		arguments_move_to_cells(list, local_listed);
	return err;
}

/* 3.11 and later: all in one, with a byte for each that says what it is. */
static int list_read(const struct python_objects *objects, u64 code, u32 argument_cnt, struct variable_list *list)
{
	struct name_reader names = {.list = list, .argument_cnt = argument_cnt};
	u8 kinds[PYTHON_VARIABLES_MAX];
	u64 cnt, address;
	int err = names_read(objects, code, objects->object.code_local_names, &names, &cnt);

	if (!err)
		err = object_word(objects, code + objects->object.code_local_kinds, &address);
	if (!err)
		err = remote_read(objects->memory, address + objects->layout->bytes_data, kinds, list->cnt);
	for (u32 i = 0; !err && i < list->cnt; i++)
		list->variables[i].in_cell = kinds[list->variables[i].slot % PYTHON_VARIABLES_MAX] & KIND_IN_CELL;
	return err;
}

struct variable_writer {
	const struct python_objects *objects;
	const struct python_value_options *options;
	u64 frame;
	size_t text_size; /* of values so far */
};

/* bound: it has a value, which is now in `value`. */
static int variable_put(struct variable_writer *writer, const struct variable *variable, struct strbuf *value,
			bool *bound)
{
	const struct python_objects *objects = writer->objects;
	u64 word, content;
	int err = object_word(objects, writer->frame + objects->object.frame_locals + variable->slot * sizeof(word),
			      &word);
	if (err)
		return err;

	struct object_slot slot = object_slot_of(objects, word);
	/* Before the first instructions have run, an argument is not in its cell yet. */
	if (slot.address && variable->in_cell && !object_cell(objects, slot.address, &content))
		slot.address = content;
	*bound = slot.address || slot.is_int;
	if (slot.is_int)
		strbuf_printf(value, "%lld", slot.value);
	else if (*bound && writer->text_size >= PYTHON_VARIABLES_TEXT_MAX)
		strbuf_put(value, "...");
	else if (*bound)
		err = python_value_put(value, objects, slot.address, writer->options);
	writer->text_size += value->size;
	return err;
}

static int variable_name(const struct python_objects *objects, u64 address, struct strbuf *name)
{
	STRBUF(text);
	int err = object_text(objects, address, &text);

	if (!err)
		strbuf_put_clean(name, text.at, text.size);
	return err ? err : name->failed ? -ENOMEM : 0;
}

int python_variables_read(const struct python_objects *objects, u64 frame, u64 code,
			  const struct python_value_options *options,
			  int (*visit)(void *ctx, const char *name, const char *value, bool is_argument), void *ctx)
{
	struct variable_writer writer = {.objects = objects, .options = options, .frame = frame};
	struct variable_list list = {.cnt = 0};
	u32 argument_cnt;
	int err = argument_cnt_read(objects, code, &argument_cnt);

	if (!err)
		err = objects->object.code_local_kinds == ABSENT ? old_list_read(objects, code, argument_cnt, &list)
								 : list_read(objects, code, argument_cnt, &list);
	for (u32 i = 0; !err && i < list.cnt; i++) {
		STRBUF(name);
		STRBUF(value);
		bool bound = false;

		err = variable_name(objects, list.variables[i].name, &name);
		if (!err)
			err = variable_put(&writer, &list.variables[i], &value, &bound);
		if (!err && bound)
			err = visit(ctx, name.at, value.at, list.variables[i].is_argument);
	}
	return err;
}
