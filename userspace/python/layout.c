/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/layout.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * What _Py_DebugOffsets says in the words of struct python_layout. The struct is
 * u64s after its cookie: version, free_threaded, then groups that grow from one
 * minor version to the next (Include/internal/pycore_debug_offsets.h, up to 3.13
 * pycore_runtime.h), so each version has an index of it.
 */
#define FOR_EACH_DESCRIBED(X)   \
	X(runtime_interpreters) \
	X(interpreter_next)     \
	X(interpreter_threads)  \
	X(thread_previous)      \
	X(thread_next)          \
	X(thread_interpreter)   \
	X(thread_frame)         \
	X(thread_id)            \
	X(thread_size)          \
	X(frame_code)           \
	X(frame_previous)       \
	X(frame_instr)          \
	X(frame_owner)          \
	X(code_bytecode)        \
	X(code_first_line)      \
	X(code_filename)        \
	X(code_name)            \
	X(code_qualname)        \
	X(code_line_table)      \
	X(string_length)        \
	X(string_state)         \
	X(string_ascii_size)    \
	X(bytes_size)           \
	X(bytes_data)           \
	X(type_name)            \
	X(object_type)

/* Where in _Py_DebugOffsets a value is, in bytes. 0: this version does not say. */
struct debug_offsets_index {
#define X(member) u16 member;
	FOR_EACH_DESCRIBED(X)
#undef X
	u16 size; /* of the struct itself; 0: a version without one */
	u16 interpreter_size;
	u16 interpreter_generation;
	u16 frame_bytecode_index;
	u16 code_bytecodes;
};

/* One minor version, in one of its two kinds; or, where something moved within it, a part of its releases. */
struct measured_layout {
	u32 first_version; /* its first release candidate */
	u32 last_measured; /* the newest release that was looked at */
	u32 smallest_interpreter; /* sizeof(PyInterpreterState) in what was looked at */
	u32 largest_interpreter;
	u16 runtime_current; /* 3.7 to 3.11: where in _PyRuntimeState the PyThreadState is that has the GIL; else 0 */
	u16 thread_tail; /* bytes up to the end of the base frame of 3.15, which its thread_size does not count */
	struct python_layout layout;
	struct debug_offsets_index index;
};

#include "python/layout_table.h"

static const u8 debug_offsets_cookie[8] = "xdebugpy";

static const struct measured_layout *measured_layout_find(u32 version, u16 free_threaded)
{
	const struct measured_layout *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(measured_layouts); i++) {
		const struct measured_layout *measured = &measured_layouts[i];

		if (version >> 16 == measured->first_version >> 16 && version >= measured->first_version &&
		    free_threaded == measured->layout.free_threaded)
			found = measured; /* rows are in the order of versions */
	}
	return found;
}

int python_layout_of_version(u32 version, struct python_layout *ret)
{
	const struct measured_layout *measured = measured_layout_find(version, 0);

	if (!measured || measured->index.size)
		return -ENOTSUP;
	*ret = measured->layout;
	ret->version = version;
	return 0;
}

u16 python_runtime_current(u32 version)
{
	const struct measured_layout *measured = measured_layout_find(version, 0);

	return measured ? measured->runtime_current : 0;
}

/* The u64 at a place of the struct; more than max is bad. */
static u64 described_value(struct cursor *offsets, u16 place, u64 max)
{
	struct cursor at = *offsets;

	cursor_take(&at, place);
	u64 value = cursor_u64(&at);
	if (at.bad || value > max)
		offsets->bad = true;
	return value;
}

/*
 * 3.13 does not say where its generation lies, so that is believed only for what
 * was measured: a wrong place would keep dead names alive, none only costs time.
 */
static void layout_find_generation(struct python_layout *layout, const struct measured_layout *measured,
				   struct cursor *offsets)
{
	u64 size = described_value(offsets, measured->index.interpreter_size, UINT32_MAX);

	if (measured->index.interpreter_generation) {
		layout->interpreter_generation = described_value(offsets, measured->index.interpreter_generation, size);
	} else if (layout->version > measured->last_measured || size < measured->smallest_interpreter ||
		   size > measured->largest_interpreter) {
		layout->interpreter_generation = 0;
		layout->generation_size = 0;
	}
}

static void layout_describe(struct python_layout *layout, const struct measured_layout *measured,
			    struct cursor *offsets)
{
#define X(member) layout->member = described_value(offsets, measured->index.member, ABSENT - 1);
	FOR_EACH_DESCRIBED(X)
#undef X
	if (layout->thread_size >= ABSENT - measured->thread_tail)
		offsets->bad = true;
	layout->thread_size += measured->thread_tail;
	if (measured->index.frame_bytecode_index)
		layout->frame_bytecode_index = described_value(offsets, measured->index.frame_bytecode_index,
							       ABSENT - 1);
	if (measured->index.code_bytecodes)
		layout->code_bytecodes = described_value(offsets, measured->index.code_bytecodes, ABSENT - 1);
	layout_find_generation(layout, measured, offsets);
}

int python_layout_of_debug_offsets(const void *data, size_t size, struct python_layout *ret)
{
	struct cursor offsets = cursor_of(data, size);
	struct cursor head = offsets;
	const void *cookie = cursor_take(&head, sizeof(debug_offsets_cookie));
	u64 version = cursor_u64(&head);
	u64 free_threaded = cursor_u64(&head);

	if (head.bad || memcmp(cookie, debug_offsets_cookie, sizeof(debug_offsets_cookie)) || version > UINT32_MAX ||
	    free_threaded > 1)
		return -EINVAL;

	const struct measured_layout *measured = measured_layout_find(version, free_threaded);
	if (!measured || !measured->index.size)
		return -ENOTSUP;

	struct python_layout layout = measured->layout;
	layout.version = version;
	layout_describe(&layout, measured, &offsets);
	if (offsets.bad || python_layout_check(&layout))
		return -EINVAL;
	*ret = layout;
	return 0;
}

/* Bounds of what is not read through a window: far above every real one. */
#define OBJECT_HEADER_MAX 128
#define TYPE_WINDOW	  256
#define CFRAME_WINDOW	  64
#define BYTECODE_MAX	  1024

/* A member of struct python_layout, a u16, by its place. */
#define PLACE(name) offsetof(struct python_layout, name)

struct offset_rule {
	u16 member; /* a place */
	u16 size; /* of what lies there */
	u16 end; /* of what it must lie in */
	u16 window; /* or, where end is 0, the place of the member that says it */
	bool optional; /* may be ABSENT */
};

#define RULE(name, bytes, bound)                                   \
	{                                                          \
		.member = PLACE(name), .size = bytes, .end = bound \
	}
#define OPTIONAL(name, bytes, bound)                                                 \
	{                                                                            \
		.member = PLACE(name), .size = bytes, .end = bound, .optional = true \
	}
#define INSIDE(name, bytes, bound)                                           \
	{                                                                    \
		.member = PLACE(name), .size = bytes, .window = PLACE(bound) \
	}
#define OPTIONAL_INSIDE(name, bytes, bound)                                                    \
	{                                                                                      \
		.member = PLACE(name), .size = bytes, .window = PLACE(bound), .optional = true \
	}

static const struct offset_rule offset_rules[] = {
	RULE(thread_window, 0, THREAD_STATE_WINDOW),
	RULE(frame_window, 0, FRAME_WINDOW),
	RULE(code_window, 0, CODE_WINDOW),
	INSIDE(thread_window, 0, thread_size),
	RULE(runtime_interpreters, 8, ABSENT),
	RULE(interpreter_next, 8, ABSENT),
	RULE(interpreter_threads, 8, ABSENT),
	OPTIONAL_INSIDE(thread_previous, 8, thread_window),
	INSIDE(thread_next, 8, thread_window),
	INSIDE(thread_interpreter, 8, thread_window),
	INSIDE(thread_frame, 8, thread_window),
	OPTIONAL_INSIDE(thread_cframe, 8, thread_window),
	INSIDE(thread_id, 8, thread_window),
	OPTIONAL(cframe_frame, 8, CFRAME_WINDOW),
	OPTIONAL(cframe_previous, 8, CFRAME_WINDOW),
	INSIDE(frame_code, 8, frame_window),
	INSIDE(frame_previous, 8, frame_window),
	INSIDE(frame_instr, 8, frame_window), /* of an int, the one behind it is read too */
	RULE(frame_instr_unit, 0, 2),
	OPTIONAL_INSIDE(frame_bytecode_index, 4, frame_window),
	OPTIONAL_INSIDE(frame_thread, 8, frame_window),
	OPTIONAL_INSIDE(frame_owner, 1, frame_window),
	OPTIONAL_INSIDE(frame_is_entry, 1, frame_window),
	OPTIONAL_INSIDE(code_version, 4, code_window),
	OPTIONAL(code_bytecode, 2, BYTECODE_MAX),
	OPTIONAL(code_bytecodes, 8, BYTECODE_MAX),
	OPTIONAL(bytecodes_entries, 8, OBJECT_HEADER_MAX),
	INSIDE(code_first_line, 4, code_window),
	OPTIONAL_INSIDE(code_first_traceable, 4, code_window),
	INSIDE(code_filename, 8, code_window),
	INSIDE(code_name, 8, code_window),
	OPTIONAL_INSIDE(code_qualname, 8, code_window),
	INSIDE(code_line_table, 8, code_window),
	RULE(line_table_kind, 0, LINE_TABLE_LOCATIONS),
	RULE(string_length, 8, OBJECT_HEADER_MAX),
	RULE(string_hash, 8, OBJECT_HEADER_MAX),
	OPTIONAL(string_state, 4, OBJECT_HEADER_MAX),
	OPTIONAL(string_kind_bit, 5, 32),
	RULE(string_ascii_size, 0, OBJECT_HEADER_MAX),
	OPTIONAL(string_compact_size, 8, OBJECT_HEADER_MAX),
	RULE(bytes_size, 8, OBJECT_HEADER_MAX),
	RULE(bytes_data, 0, OBJECT_HEADER_MAX),
	RULE(type_name, 8, TYPE_WINDOW),
	INSIDE(object_type, 8, code_window),
	INSIDE(object_type, 8, bytes_data),
	OPTIONAL_INSIDE(object_refs_local, 4, bytes_data),
	OPTIONAL_INSIDE(object_refs_shared, 8, bytes_data),
};

static u16 layout_member(const struct python_layout *layout, u16 place)
{
	return *(const u16 *)((const u8 *)layout + place);
}

static bool offset_rule_holds(const struct offset_rule *rule, const struct python_layout *layout)
{
	u16 offset = layout_member(layout, rule->member);
	u16 end = rule->end ? rule->end : layout_member(layout, rule->window);

	if (offset == ABSENT)
		return rule->optional;
	return (u32)offset + rule->size <= end && (rule->size != 8 || offset % 8 == 0);
}

/* Members that a version has together, or has not. */
static bool are_together(u16 one, u16 other)
{
	return (one == ABSENT) == (other == ABSENT);
}

/* Readers fetch what lies before string_ascii_size and bytes_data in one go. */
static bool string_header_holds(const struct python_layout *layout)
{
	if (layout->string_length + 8 > layout->string_ascii_size ||
	    layout->string_hash + 8 > layout->string_ascii_size || layout->bytes_size + 8 > layout->bytes_data ||
	    !are_together(layout->string_state, layout->string_kind_bit) ||
	    !are_together(layout->string_state, layout->string_compact_size))
		return false;
	return layout->string_state == ABSENT || (layout->string_state + 4 <= layout->string_ascii_size &&
						  layout->string_ascii_size <= layout->string_compact_size);
}

/* Copies of the bytecode are found by three members; of references there are two counts. */
static bool free_threading_holds(const struct python_layout *layout)
{
	return are_together(layout->frame_bytecode_index, layout->code_bytecodes) &&
	       are_together(layout->frame_bytecode_index, layout->bytecodes_entries) &&
	       are_together(layout->object_refs_local, layout->object_refs_shared) &&
	       (layout->frame_bytecode_index == ABSENT || layout->code_bytecode != ABSENT);
}

static bool generation_holds(const struct python_layout *layout)
{
	if (!layout->interpreter_generation)
		return true;
	return (layout->generation_size == 4 || layout->generation_size == 8) &&
	       layout->interpreter_generation % layout->generation_size == 0;
}

/*
 * What ends a run is known in exactly one way: by the owner, by is_entry, or since
 * frames are objects and each is a run. A _PyCFrame leads to a frame, a CFrame is led
 * to by the thread. Where threads have no link back, frames know theirs.
 */
static bool run_holds(const struct python_layout *layout)
{
	bool objects = layout->frame_instr_unit;

	if (objects != (layout->frame_owner == ABSENT && layout->frame_is_entry == ABSENT) ||
	    (layout->frame_owner != ABSENT && layout->frame_is_entry != ABSENT))
		return false;
	if (objects ? layout->cframe_frame != ABSENT || !are_together(layout->thread_cframe, layout->cframe_previous)
		    : layout->thread_cframe != ABSENT || !are_together(layout->cframe_frame, layout->cframe_previous))
		return false;
	return objects == (layout->code_bytecode == ABSENT) &&
	       (layout->thread_previous == ABSENT) == (layout->frame_thread != ABSENT);
}

#define EVAL_SIZE_MAX (16u << 20) /* some 40 KiB, optimized; 200 KiB with the checks of sanitizers */

/* The list ends at its first empty range, and only counted layouts have one. */
static bool eval_holds(const struct python_layout *layout)
{
	bool ended = !python_layout_is_counted(layout);

	for (size_t i = 0; i < EVAL_RANGES; i++) {
		s64 start = layout->eval[i].start;

		ended |= !layout->eval[i].size;
		if (ended ? start || layout->eval[i].size
			  : layout->eval[i].size > EVAL_SIZE_MAX || start + layout->eval[i].size > INT32_MAX)
			return false;
	}
	return true;
}

int python_layout_check(const struct python_layout *layout)
{
	for (size_t i = 0; i < ARRAY_SIZE(offset_rules); i++)
		if (!offset_rule_holds(&offset_rules[i], layout))
			return -EINVAL;
	if (!run_holds(layout) || !string_header_holds(layout) || !generation_holds(layout) ||
	    !free_threading_holds(layout) || !eval_holds(layout))
		return -EINVAL;
	return 0;
}
