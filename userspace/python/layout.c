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
};

/* One minor version, in one of its two kinds. */
struct measured_layout {
	u32 first_version; /* its first release candidate */
	u32 last_measured; /* the newest release that was looked at */
	u32 smallest_interpreter; /* sizeof(PyInterpreterState) in what was looked at */
	u32 largest_interpreter;
	u16 thread_tail; /* bytes up to the end of the base frame of 3.15, which its thread_size does not count */
	struct python_layout layout;
	struct debug_offsets_index index;
};

#include "python/layout_table.h"

static const u8 debug_offsets_cookie[8] = "xdebugpy";

static const struct measured_layout *measured_layout_find(u32 version, u16 free_threaded)
{
	for (size_t i = 0; i < ARRAY_SIZE(measured_layouts); i++) {
		const struct measured_layout *measured = &measured_layouts[i];

		if (version >> 16 == measured->first_version >> 16 && version >= measured->first_version &&
		    free_threaded == measured->layout.free_threaded)
			return measured;
	}
	return NULL;
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

struct offset_rule {
	u16 member; /* of struct python_layout, a u16 */
	u16 size; /* of what lies there */
	u16 end; /* of what it must lie in */
	bool optional; /* may be ABSENT */
};

#define RULE(name, bytes, window)                                                            \
	{                                                                                    \
		.member = offsetof(struct python_layout, name), .size = bytes, .end = window \
	}
#define OPTIONAL(name, bytes, window)                                                                          \
	{                                                                                                      \
		.member = offsetof(struct python_layout, name), .size = bytes, .end = window, .optional = true \
	}

static const struct offset_rule offset_rules[] = {
	RULE(runtime_interpreters, 8, ABSENT),
	RULE(interpreter_next, 8, ABSENT),
	RULE(interpreter_threads, 8, ABSENT),
	RULE(thread_previous, 8, THREAD_STATE_WINDOW),
	RULE(thread_next, 8, THREAD_STATE_WINDOW),
	RULE(thread_interpreter, 8, THREAD_STATE_WINDOW),
	RULE(thread_frame, 8, THREAD_STATE_WINDOW),
	RULE(thread_id, 8, THREAD_STATE_WINDOW),
	OPTIONAL(cframe_frame, 8, CFRAME_WINDOW),
	OPTIONAL(cframe_previous, 8, CFRAME_WINDOW),
	RULE(frame_code, 8, FRAME_WINDOW),
	RULE(frame_previous, 8, FRAME_WINDOW),
	RULE(frame_instr, 8, FRAME_WINDOW),
	OPTIONAL(frame_owner, 1, FRAME_WINDOW),
	OPTIONAL(frame_is_entry, 1, FRAME_WINDOW),
	OPTIONAL(code_version, 4, CODE_WINDOW),
	RULE(code_bytecode, 2, BYTECODE_MAX),
	RULE(code_first_line, 4, CODE_WINDOW),
	RULE(code_first_traceable, 4, CODE_WINDOW),
	RULE(code_filename, 8, CODE_WINDOW),
	RULE(code_name, 8, CODE_WINDOW),
	RULE(code_qualname, 8, CODE_WINDOW),
	RULE(code_line_table, 8, CODE_WINDOW),
	RULE(string_length, 8, OBJECT_HEADER_MAX),
	RULE(string_hash, 8, OBJECT_HEADER_MAX),
	RULE(string_state, 4, OBJECT_HEADER_MAX),
	RULE(string_kind_bit, 5, 32),
	RULE(string_ascii_size, 0, OBJECT_HEADER_MAX),
	RULE(string_compact_size, 8, OBJECT_HEADER_MAX),
	RULE(bytes_size, 8, OBJECT_HEADER_MAX),
	RULE(bytes_data, 0, OBJECT_HEADER_MAX),
	RULE(type_name, 8, TYPE_WINDOW),
	RULE(object_type, 8, OBJECT_HEADER_MAX),
};

static bool offset_rule_holds(const struct offset_rule *rule, const struct python_layout *layout)
{
	u16 offset = *(const u16 *)((const u8 *)layout + rule->member);

	if (offset == ABSENT)
		return rule->optional;
	return (u32)offset + rule->size <= rule->end && (rule->size != 8 || offset % 8 == 0);
}

/* Readers fetch what lies before string_ascii_size and bytes_data in one go. */
static bool string_header_holds(const struct python_layout *layout)
{
	return layout->string_length + 8 <= layout->string_ascii_size &&
	       layout->string_hash + 8 <= layout->string_ascii_size &&
	       layout->string_state + 4 <= layout->string_ascii_size &&
	       layout->string_ascii_size <= layout->string_compact_size && layout->bytes_size + 8 <= layout->bytes_data;
}

static bool generation_holds(const struct python_layout *layout)
{
	if (!layout->interpreter_generation)
		return true;
	return (layout->generation_size == 4 || layout->generation_size == 8) &&
	       layout->interpreter_generation % layout->generation_size == 0;
}

int python_layout_check(const struct python_layout *layout)
{
	for (size_t i = 0; i < ARRAY_SIZE(offset_rules); i++)
		if (!offset_rule_holds(&offset_rules[i], layout))
			return -EINVAL;
	/* What ends a run is known in exactly one way, and a _PyCFrame is there as a whole or not at all. */
	if ((layout->frame_owner == ABSENT) == (layout->frame_is_entry == ABSENT) ||
	    (layout->cframe_frame == ABSENT) != (layout->cframe_previous == ABSENT))
		return -EINVAL;
	if (!string_header_holds(layout) || !generation_holds(layout))
		return -EINVAL;
	return 0;
}
