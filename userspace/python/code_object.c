/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/code_object.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/strbuf.h"
#include "python/string.h"

#define FIRST_TRACEABLE_MAX (1u << 20) /* it follows at most a few instructions for each cell */
#define BYTES_HEADER_MAX    128 /* python_layout_check bounds bytes_data by it */

#define LINE_TABLE_STEP 512 /* most are shorter */

/* What is read of a code object itself. */
struct code_window {
	u64 type;
	u64 filename, name, line_table;
	u64 qualname; /* 0: has none */
	u32 version; /* 0: has none */
	u32 first_line;
	u32 first_traceable;
	bool alive;
};

static u64 window_u64(const u8 *window, u16 offset)
{
	u64 value;

	memcpy(&value, window + offset, sizeof(value));
	return value;
}

static u32 window_u32(const u8 *window, u16 offset)
{
	u32 value;

	memcpy(&value, window + offset, sizeof(value));
	return value;
}

/*
 * An allocator puts its free list into the first words of a freed block and may
 * leave all others, so that a code object looks well while its strings are gone.
 * The first word of a living one is its reference count: the low half, never 0,
 * while bits 32 to 47, which a list's pointer would set, are 0 in all versions.
 * Free-threaded builds count further in: no word of a list is put there, and the
 * last reference to go leaves both counts at 0.
 */
static bool window_is_alive(const u8 *window, const struct python_layout *layout)
{
	u64 count = window_u64(window, 0);

	if (layout->object_refs_local != ABSENT)
		return window_u32(window, layout->object_refs_local) ||
		       window_u64(window, layout->object_refs_shared) >> 2;
	return (u32)count && !(count >> 32 & 0xffff);
}

static int code_window_read(const struct remote_memory *memory, const struct python_layout *layout, u64 address,
			    struct code_window *ret)
{
	u8 window[CODE_WINDOW];
	int err = remote_read(memory, address, window, layout->code_window);
	if (err)
		return err;

	*ret = (struct code_window){
		.type = window_u64(window, layout->object_type),
		.filename = window_u64(window, layout->code_filename),
		.name = window_u64(window, layout->code_name),
		.qualname = layout->code_qualname == ABSENT ? 0 : window_u64(window, layout->code_qualname),
		.line_table = window_u64(window, layout->code_line_table),
		.version = layout->code_version == ABSENT ? 0 : window_u32(window, layout->code_version),
		.first_line = window_u32(window, layout->code_first_line),
		.first_traceable = layout->code_first_traceable == ABSENT
					   ? 0
					   : window_u32(window, layout->code_first_traceable),
		.alive = window_is_alive(window, layout),
	};
	return 0;
}

/* What filename_hash() of the kernel side computes, of the same bytes. */
static int filename_hash_read(const struct remote_memory *memory, const struct python_layout *layout, u64 address,
			      u64 *ret)
{
	u8 header[BYTES_HEADER_MAX];
	u64 text[FILENAME_HASHED / 8] = {0};
	int err = remote_read(memory, address, header, layout->string_ascii_size);
	if (err)
		return err;

	u32 state = STRING_COMPACT | STRING_ASCII | 1; /* plain bytes */
	if (layout->string_state != ABSENT)
		state = window_u32(header, layout->string_state) >> layout->string_kind_bit;
	u64 length = window_u64(header, layout->string_length);
	u64 size = state & STRING_COMPACT ? length * (state & STRING_KIND) : 0;
	if (size > FILENAME_HASHED)
		size = FILENAME_HASHED;
	err = remote_read(memory,
			  address + (state & STRING_ASCII ? layout->string_ascii_size : layout->string_compact_size),
			  text, size);
	if (err)
		return err;

	u64 hash = length;
	for (size_t i = 0; i * 8 < size; i++)
		hash = python_text_mix(hash, text[i], size - i * 8);
	*ret = hash;
	return 0;
}

static int window_signature(const struct code_window *window, const struct remote_memory *memory,
			    const struct python_layout *layout, u32 *ret)
{
	u64 name_hash = 0, filename_hash = 0;

	if (!window->version) {
		int err = remote_read(memory, window->name + layout->string_hash, &name_hash, sizeof(name_hash));
		if (!err)
			err = filename_hash_read(memory, layout, window->filename, &filename_hash);
		if (err)
			return err;
	}
	*ret = python_signature(window->version, name_hash, window->first_line, filename_hash);
	return 0;
}

/* -ESTALE unless the window is the living object that the signature was taken of. */
static int code_window_check(const struct code_window *window, const struct remote_memory *memory,
			     const struct python_layout *layout, u32 signature)
{
	u32 now;

	if (!window->alive)
		return -ESTALE;
	int err = window_signature(window, memory, layout, &now);
	if (err)
		return err;
	return now == signature ? 0 : -ESTALE;
}

/* 0 when the type at this address has this name, or is known to have it. */
static int type_check(const struct remote_memory *memory, const struct python_layout *layout, u64 type,
		      const char *expected, u64 *known)
{
	if (type && type == *known)
		return 0;

	char name[8];
	size_t size = strlen(expected) + 1; /* with its NUL: a prefix does not do */
	u64 name_address;
	int err = remote_read(memory, type + layout->type_name, &name_address, sizeof(name_address));

	if (!err)
		err = remote_read(memory, name_address, name, size);
	if (err)
		return err == -EFAULT ? -EINVAL : err; /* what leads nowhere is no type */
	if (memcmp(name, expected, size))
		return -EINVAL;
	*known = type;
	return 0;
}

static int text_take(struct strbuf *text, char **ret)
{
	char *taken = strbuf_take(text);

	if (!taken)
		return -ENOMEM;
	*ret = taken;
	return 0;
}

static int text_read(const struct remote_memory *memory, const struct python_layout *layout, u64 address, char **ret)
{
	STRBUF(text);
	int err = python_string_read(memory, layout, address, &text);

	return err ? err : text_take(&text, ret);
}

static int path_read(const struct remote_memory *memory, const struct python_layout *layout, u64 address, char **ret)
{
	STRBUF(path);
	int err = python_path_read(memory, layout, address, &path);

	return err ? err : text_take(&path, ret);
}

static int line_table_read(const struct remote_memory *memory, const struct python_layout *layout, u64 address,
			   u64 *known_type, struct code_object *code)
{
	u8 header[BYTES_HEADER_MAX];
	int err = remote_read(memory, address, header, layout->bytes_data);
	if (err)
		return err;
	/* Where strings are plain bytes, there is one type for both. */
	err = type_check(memory, layout, window_u64(header, layout->object_type),
			 layout->string_state == ABSENT ? "str" : "bytes", known_type);
	if (err)
		return err;
	u64 size = window_u64(header, layout->bytes_size);
	if (size > LINE_TABLE_MAX)
		return -EINVAL;

	_cleanup_(free) u8 *table = malloc(size + 1); /* of no bytes, malloc might give NULL */
	if (!table)
		return -ENOMEM;
	err = remote_read(memory, address + layout->bytes_data, table, size);
	if (err)
		return err;
	code->line_table = take(table);
	code->line_table_size = size;
	return 0;
}

static u32 first_traceable_bytes(const struct code_window *window)
{
	return window->first_traceable < FIRST_TRACEABLE_MAX ? 2 * window->first_traceable : 0;
}

static int contents_read(const struct remote_memory *memory, const struct python_layout *layout,
			 const struct code_window *window, struct code_types *types, struct code_object *code)
{
	int err = window->qualname ? text_read(memory, layout, window->qualname, &code->function) : -EINVAL;
	if (err == -EINVAL || err == -EFAULT)
		err = text_read(memory, layout, window->name, &code->function);
	if (!err)
		err = path_read(memory, layout, window->filename, &code->file);
	if (!err)
		err = line_table_read(memory, layout, window->line_table, &types->line_table, code);
	code->line_table_kind = layout->line_table_kind;
	code->has_version = window->version;
	code->first_line = window->first_line;
	code->always_visible = layout->code_first_traceable == ABSENT;
	code->first_traceable = first_traceable_bytes(window);
	return err;
}

/* Whether what was read can be believed: nothing had replaced or freed the object until now. */
static int code_still_there(const struct remote_memory *memory, const struct python_layout *layout, u64 address,
			    u32 signature, u64 type)
{
	struct code_window window;
	int err = code_window_read(memory, layout, address, &window);

	if (!err)
		err = code_window_check(&window, memory, layout, signature);
	if (!err && window.type != type)
		err = -ESTALE;
	return err;
}

int code_object_read(const struct remote_memory *memory, const struct python_layout *layout, u64 address, u32 signature,
		     struct code_types *types, struct code_object **ret)
{
	struct code_window window;
	int err = code_window_read(memory, layout, address, &window);
	if (!err)
		err = code_window_check(&window, memory, layout, signature);
	if (!err)
		err = type_check(memory, layout, window.type, "code", &types->code);
	if (err)
		return err;

	_cleanup_(code_object) struct code_object *code = calloc(1, sizeof(*code));
	if (!code)
		return -ENOMEM;
	err = contents_read(memory, layout, &window, types, code);
	int gone = code_still_there(memory, layout, address, signature, window.type);
	/* Why it is gone says more than what did not fit in its remains. */
	if (gone || err)
		return gone ? gone : err;
	*ret = take(code);
	return 0;
}

int code_object_signature(const struct remote_memory *memory, const struct python_layout *layout, u64 address, u32 *ret)
{
	struct code_window window;
	int err = code_window_read(memory, layout, address, &window);

	return err ? err : window_signature(&window, memory, layout, ret);
}

static bool line_table_is_same(const struct code_object *code, const struct remote_memory *memory,
			       const struct python_layout *layout, u64 address)
{
	u8 bytes[BYTES_HEADER_MAX + LINE_TABLE_STEP];
	size_t size = code->line_table_size, part = size < LINE_TABLE_STEP ? size : LINE_TABLE_STEP;

	if (remote_read(memory, address, bytes, layout->bytes_data + part) ||
	    window_u64(bytes, layout->bytes_size) != size || memcmp(bytes + layout->bytes_data, code->line_table, part))
		return false;
	for (size_t done = part; done < size; done += part) {
		part = size - done < sizeof(bytes) ? size - done : sizeof(bytes);
		if (remote_read(memory, address + layout->bytes_data + done, bytes, part) ||
		    memcmp(bytes, code->line_table + done, part))
			return false;
	}
	return true;
}

/* The plain name is in the signature, and of what is not nested both are one string. */
static bool qualname_is_same(const struct code_object *code, const struct remote_memory *memory,
			     const struct python_layout *layout, const struct code_window *window)
{
	_cleanup_(free) char *name = NULL;

	if (!window->qualname || window->qualname == window->name)
		return true;
	return !text_read(memory, layout, window->qualname, &name) && !strcmp(name, code->function);
}

bool code_object_is_there(const struct code_object *code, const struct remote_memory *memory,
			  const struct python_layout *layout, u64 address)
{
	struct code_window window;

	return !code_window_read(memory, layout, address, &window) && window.alive &&
	       window.first_line == code->first_line && first_traceable_bytes(&window) == code->first_traceable &&
	       line_table_is_same(code, memory, layout, window.line_table) &&
	       qualname_is_same(code, memory, layout, &window);
}

void code_object_free(struct code_object *code)
{
	if (!code)
		return;
	free(code->function);
	free(code->file);
	free(code->line_table);
	free(code);
}

bool code_object_is_visible(const struct code_object *code, u32 instr)
{
	if (code->always_visible || instr == PYTHON_INSTR_UNKNOWN)
		return true;
	if (instr == PYTHON_INSTR_BEFORE || instr < code->first_traceable)
		return false;
	/* A module begins on line 0: there it is still being entered. */
	return instr > code->first_traceable || code_object_line(code, instr);
}

void code_object_position(const struct code_object *code, u32 instr, struct line_position *ret)
{
	*ret = (struct line_position){0};
	if (instr == PYTHON_INSTR_BEFORE)
		ret->line = code->always_visible ? code->first_line : 0;
	else if (instr != PYTHON_INSTR_UNKNOWN)
		line_table_position(code->line_table_kind, code->line_table, code->line_table_size, code->first_line,
				    instr, ret);
}

u32 code_object_line(const struct code_object *code, u32 instr)
{
	struct line_position position;

	code_object_position(code, instr, &position);
	return position.line;
}
