/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "dump/frame_names.h"

#include <errno.h>
#include <string.h>
#include <uthash.h>

#include "base/array.h"
#include "base/strbuf.h"
#include "profile/view.h"
#include "python/string.h"
#include "inspect/variables.h"

/* The co_name of a code object, by which instruction of it a frame of the tables is. */
struct plain_name {
	u32 frame;
	u32 name; /* string id */
	UT_hash_handle hh;
};

struct frame_names {
	struct snapshot_options options;
	struct profile_tables tables;
	const struct remote_memory *memory;
	const struct process *process;
	const struct python_objects *objects;
	struct plain_name *plain;

	/* the stack under way */
	u32 *ids; /* innermost first */
	size_t cnt, capacity;
};

int frame_names_new(const struct snapshot_options *options, const struct profile_tables *tables,
		    const struct remote_memory *memory, const struct process *process,
		    const struct python_objects *objects, struct frame_names **ret)
{
	struct frame_names *names = calloc(1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	names->options = *options;
	names->tables = *tables;
	names->memory = memory;
	names->process = process;
	names->objects = objects;
	*ret = names;
	return 0;
}

void frame_names_free(struct frame_names *names)
{
	struct plain_name *plain, *next;

	if (!names)
		return;
	HASH_ITER(hh, names->plain, plain, next)
	{
		HASH_DEL(names->plain, plain);
		free(plain);
	}
	free(names->ids);
	free(names);
}

/*
 * co_name
 */

/* From 3.11 on a qualified name ends in the plain one, unless somebody replaced that: then only the code object knows. */
static const char *last_part(const char *qualname)
{
	const char *dot = strrchr(qualname, '.');

	return dot && dot[1] ? dot + 1 : qualname;
}

static int plain_name_read(struct frame_names *names, const struct frame *frame, u32 *ret)
{
	const struct python_layout *layout = &names->process->python_file->python.layout;
	const char *qualname = string_table_at(names->tables.strings, frame->function);
	STRBUF(name);
	u64 address;

	int err = remote_read(names->memory, frame->address + layout->code_name, &address, sizeof(address));
	if (!err)
		err = python_string_read(names->memory, layout, address, &name);
	if (name.failed)
		return -ENOMEM;
	return string_table_intern(names->tables.strings, err ? last_part(qualname) : name.at, ret);
}

static int plain_name_get(struct frame_names *names, u32 id, const struct frame *frame, const char **ret)
{
	struct plain_name *plain;

	HASH_FIND(hh, names->plain, &id, sizeof(id), plain);
	if (!plain) {
		u32 name;
		int err = plain_name_read(names, frame, &name);

		if (err)
			return err;
		plain = calloc(1, sizeof(*plain));
		if (!plain)
			return -ENOMEM;
		plain->frame = id;
		plain->name = name;
		HASH_ADD(hh, names->plain, frame, sizeof(plain->frame), plain);
	}
	*ret = string_table_at(names->tables.strings, plain->name);
	return 0;
}

/*
 * Variables
 */

struct variables {
	struct snapshot *snapshot;
	struct dump_variable *at;
	size_t cnt, capacity;
	int err;
};

static int on_variable(void *ctx, const char *name, const char *value, bool is_argument)
{
	struct variables *variables = ctx;
	struct dump_variable *at = array_reserve(variables->at, &variables->capacity, variables->cnt + 1, sizeof(*at));

	if (!at)
		return variables->err = -ENOMEM;
	variables->at = at;
	at += variables->cnt;
	*at = (struct dump_variable){
		.name = snapshot_text(variables->snapshot, name),
		.value = snapshot_text(variables->snapshot, value),
		.is_argument = is_argument,
	};
	if (!at->name || !at->value)
		return variables->err = -ENOMEM;
	variables->cnt++;
	return 0;
}

/* What cannot be read is left out: the frame itself is true. */
static int variables_read(struct frame_names *names, struct snapshot *snapshot, u64 code, struct dump_frame *frame)
{
	const struct python_value_options options = PYTHON_VALUE_OPTIONS;
	struct variables variables = {.snapshot = snapshot};

	python_variables_read(names->objects, frame->address, code, &options, on_variable, &variables);
	int err = variables.err;
	if (!err && variables.cnt) {
		struct dump_variable *room = snapshot_room(snapshot, variables.cnt, sizeof(*room));

		if (room)
			frame->variables = memcpy(room, variables.at, variables.cnt * sizeof(*room));
		else
			err = -ENOMEM;
		frame->variable_cnt = room ? variables.cnt : 0;
	}
	free(variables.at);
	return err;
}

/*
 * Frames
 */

static int id_push(struct frame_names *names, u32 id)
{
	u32 *ids = array_reserve(names->ids, &names->capacity, names->cnt + 1, sizeof(*ids));

	if (!ids)
		return -ENOMEM;
	names->ids = ids;
	ids[names->cnt++] = id;
	return 0;
}

/* Marks tell where native frames belong. */
static bool is_wanted(const struct frame_names *names, const struct frame *frame, bool inside_of_python)
{
	switch (frame->kind) {
	case FRAME_KERNEL:
		return names->options.kernel;
	case FRAME_NATIVE:
	case FRAME_MARK:
		return names->options.native == DUMP_NATIVE_ALL ||
		       (names->options.native == DUMP_NATIVE_LAST && inside_of_python);
	default:
		return true;
	}
}

/* Of a native walk that broke off nothing is said where no native frame would be shown there. */
static bool is_native_loss(enum loss loss)
{
	return loss >= LOSS_NATIVE_DEPTH && loss <= LOSS_STACK_ORDER;
}

static int stack_choose(struct frame_names *names, u32 stack)
{
	bool has_python = false;
	int err = 0;

	names->cnt = 0;
	for (; !err && stack != STACK_ROOT; stack = stack_table_parent(names->tables.stacks, stack)) {
		u32 id = stack_table_frame(names->tables.stacks, stack);
		const struct frame *frame = frame_table_get(names->tables.frames, id);

		has_python |= frame->kind == FRAME_PYTHON;
		if (frame->kind == FRAME_LOSS && is_native_loss(frame->loss) && has_python &&
		    names->options.native != DUMP_NATIVE_ALL)
			continue;
		if (is_wanted(names, frame, !has_python))
			err = id_push(names, id);
	}
	return err;
}

/* Losses and marks say in words what they are. */
static int frame_name(struct frame_names *names, struct snapshot *snapshot, u32 id, struct dump_frame *ret)
{
	static const struct view view = {.lines = true};
	const struct frame *frame = frame_table_get(names->tables.frames, id);
	const char *plain = NULL, *function = NULL;
	int err = 0;

	if (frame->kind == FRAME_PYTHON)
		err = plain_name_get(names, id, frame, &plain);
	if (err)
		return err;
	if (frame_is_bracketed(frame) || !frame->named) {
		STRBUF(text);

		frame_put(&names->tables, frame, &view, &text);
		function = text.failed ? NULL : snapshot_text(snapshot, text.at);
	} else {
		function = snapshot_text(snapshot, string_table_at(names->tables.strings, frame->function));
	}
	ret->qualname = function;
	ret->function = plain ? snapshot_text(snapshot, plain) : function;
	ret->file = snapshot_text(snapshot, frame->named ? string_table_at(names->tables.strings, frame->file) : "");
	return ret->function && ret->qualname && ret->file ? 0 : -ENOMEM;
}

/* The frame object that this is, of those from *next on: each is met in its order, some are not shown. */
static u64 frame_address(const struct frame *frame, const struct python_stack *python, u32 *next)
{
	u64 detail;

	for (u32 i = *next; python && i < python->cnt; i++) {
		detail = (u64)python->frames[i].signature << 32 | python->frames[i].instr;
		if ((python->frames[i].code & ~PYTHON_RUN_BEGIN) != frame->address || detail != frame->detail)
			continue;
		*next = i + 1;
		return python->addresses[i];
	}
	return 0;
}

int frame_names_stack(struct frame_names *names, struct snapshot *snapshot, u32 stack,
		      const struct python_stack *python, struct stack_frames *ret)
{
	struct stack_frames found = {.loss = LOSS_NONE};
	u32 next = 0;
	int err = stack_choose(names, stack);

	if (err)
		return err;
	found.cnt = names->cnt;
	found.frames = snapshot_room(snapshot, names->cnt, sizeof(*found.frames));
	found.ids = snapshot_room(snapshot, names->cnt, sizeof(*found.ids));
	if (!found.frames || !found.ids)
		return -ENOMEM;
	if (found.cnt)
		memcpy(found.ids, names->ids, found.cnt * sizeof(*found.ids));
	for (size_t i = 0; !err && i < found.cnt; i++) {
		const struct frame frame = *frame_table_get(names->tables.frames, found.ids[i]);
		struct dump_frame *at = &found.frames[i];

		at->kind = frame.kind;
		at->line = frame.line;
		if (frame.kind == FRAME_LOSS)
			found.loss = frame.loss;
		if (frame.kind != FRAME_PYTHON)
			continue;
		found.python_cnt++;
		at->address = frame_address(&frame, python, &next);
		err = frame_name(names, snapshot, found.ids[i], at);
		if (!err && names->options.locals && names->objects && at->address)
			err = variables_read(names, snapshot, frame.address, at);
	}
	if (!err)
		*ret = found;
	return err;
}

int frame_names_put(struct frame_names *names, struct snapshot *snapshot, struct stack_frames *frames)
{
	int err = 0;

	for (size_t i = 0; !err && i < frames->cnt; i++)
		if (frames->frames[i].kind != FRAME_PYTHON)
			err = frame_name(names, snapshot, frames->ids[i], &frames->frames[i]);
	return err;
}
