/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * code_object.h - a PyCodeObject's names and lines, read once from the
 * process's memory while it lives.
 */
#ifndef PYPROF_CODE_OBJECT_H
#define PYPROF_CODE_OBJECT_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/remote_memory.h"
#include "pyprof/python_abi.h"
#include "python/line_table.h"

struct code_object {
	char *function; /* co_qualname, else co_name, which is all there is to 3.10; UTF-8 */
	char *file; /* co_filename as it is, in the file system's bytes: maybe no UTF-8 */
	u32 first_line;
	bool has_version; /* its signature is its co_version, which no other has; else others may have the same */
	bool always_visible; /* to 3.10, a frame is one as soon as it is pushed, on its first line */
	u32 first_traceable; /* else, the byte offset of the first instruction that a frame can be seen at */
	u16 line_table_kind; /* enum line_table_kind */
	u8 *line_table;
	size_t line_table_size;
};

/* Where the types of one process are that had the right names: types are never freed. 0: not known yet. */
struct code_types {
	u64 code, line_table;
};

/*
 * Reads it, and believes it only when its signature is the given one before and
 * after: -ESTALE when the object was freed or replaced meanwhile, -EINVAL when it
 * is no code object, -EFAULT / -ESRCH when it cannot be read. types are learned;
 * they save four reads of an object.
 */
int code_object_read(const struct remote_memory *memory, const struct python_layout *layout, u64 address, u32 signature,
		     struct code_types *types, struct code_object **ret);
/* What the kernel side calls the code object that is there now. */
int code_object_signature(const struct remote_memory *memory, const struct python_layout *layout, u64 address,
			  u32 *ret);
/*
 * Whether the object that lives at address now reads as this one, which was read there: the same lines and name. That
 * is what a signature without a version does not tell: two texts compiled as "<string>" are all of one file and line.
 * Two small reads, for a nested function's qualified name four.
 */
bool code_object_is_there(const struct code_object *code, const struct remote_memory *memory,
			  const struct python_layout *layout, u64 address);
void code_object_free(struct code_object *code);
DEFINE_CLEANUP(code_object, struct code_object *, code_object_free)

/*
 * False while a frame is being entered, and for the frames that CPython itself
 * pushes for its own ends (the one under a class's __init__, since 3.13): they are
 * no part of what sys._getframe() and tracebacks show.
 */
bool code_object_is_visible(const struct code_object *code, u32 instr);

/* 0: unknown. instr as in struct python_frame. */
u32 code_object_line(const struct code_object *code, u32 instr);
/* The same, with columns where the interpreter has them. */
void code_object_position(const struct code_object *code, u32 instr, struct line_position *ret);

#endif
