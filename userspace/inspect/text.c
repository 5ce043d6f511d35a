/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/text.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

#define HEADER_MAX 128

static u64 header_u64(const u8 *header, u16 offset)
{
	u64 value;

	memcpy(&value, header + offset, sizeof(value));
	return value;
}

/* To 3.11: a str that was made of wchar_t and never looked at since. */
static int wide_find(const struct python_objects *objects, u64 address, struct python_text *ret)
{
	struct python_text text = {.unit_size = sizeof(u32)};

	if (objects->object.wide_data == ABSENT)
		return -EINVAL;
	int err = object_word(objects, address + objects->object.wide_data, &text.address);
	if (!err)
		err = object_word(objects, address + objects->object.wide_length, &text.length);
	if (err || !text.address || text.length > PYTHON_TEXT_LENGTH_MAX)
		return err ? err : -EINVAL;
	*ret = text;
	return 0;
}

/* See python/string.c for the forms of a str. Its type was not looked at. */
static int str_find(const struct python_objects *objects, u64 address, struct python_text *ret)
{
	const struct python_layout *layout = objects->layout;
	u8 header[HEADER_MAX];

	if (layout->string_ascii_size > sizeof(header))
		return -EINVAL;
	int err = remote_read(objects->memory, address, header, layout->string_ascii_size);
	if (err)
		return err;

	u32 state;
	memcpy(&state, header + layout->string_state, sizeof(state));
	state >>= layout->string_kind_bit;
	struct python_text text = {
		.length = header_u64(header, layout->string_length),
		.unit_size = state & STRING_KIND,
		.address = address + (state & STRING_ASCII ? layout->string_ascii_size : layout->string_compact_size),
	};
	if (!text.unit_size)
		return wide_find(objects, address, ret);
	if ((text.unit_size != 1 && text.unit_size != 2 && text.unit_size != 4) || text.length > PYTHON_TEXT_LENGTH_MAX)
		return -EINVAL;
	if (!(state & STRING_COMPACT))
		err = object_word(objects, address + layout->string_compact_size, &text.address);
	if (!err)
		*ret = text;
	return err;
}

/* 2.7: str is an array of bytes, and unicode a type of its own. */
static int old_text_find(const struct python_objects *objects, u64 address, u64 flags, struct python_text *ret)
{
	struct python_text text = {0};
	int err;

	if (flags & TYPE_IS_BYTES) {
		text.unit_size = 1;
		text.is_bytes = true;
		text.address = address + objects->layout->bytes_data;
		err = object_word(objects, address + objects->layout->bytes_size, &text.length);
	} else if (flags & TYPE_IS_UNICODE && objects->unicode_unit) {
		text.unit_size = objects->unicode_unit;
		text.is_utf16 = text.unit_size == 2;
		err = object_word(objects, address + objects->object.unicode_data, &text.address);
		if (!err)
			err = object_word(objects, address + objects->object.unicode_length, &text.length);
	} else {
		err = -EINVAL;
	}
	if (!err && text.length > PYTHON_TEXT_LENGTH_MAX)
		err = -EINVAL;
	if (!err)
		*ret = text;
	return err;
}

int python_text_find(const struct python_objects *objects, u64 address, struct python_text *ret)
{
	u64 type, flags;
	int err = object_type(objects, address, &type);

	if (!err)
		err = object_type_flags(objects, type, &flags);
	if (err)
		return err;
	if (objects->layout->string_state == ABSENT)
		return old_text_find(objects, address, flags, ret);
	return flags & TYPE_IS_UNICODE ? str_find(objects, address, ret) : -EINVAL;
}

static u32 unit_of(struct cursor *units, u32 unit_size)
{
	if (unit_size == 1)
		return cursor_u8(units);
	return unit_size == 2 ? cursor_u16(units) : cursor_u32(units);
}

#define BLOCK 256 /* units */

int python_text_read(const struct python_objects *objects, const struct python_text *text, size_t max, u32 *ret,
		     size_t *cnt)
{
	u8 block[BLOCK * sizeof(u32)];
	size_t found = 0;
	bool high = false; /* the last one is the first half of a pair */

	for (u64 at = 0; at < text->length && (found < max || high);) {
		u64 now = text->length - at < BLOCK ? text->length - at : BLOCK;
		now = max - found + high < now ? max - found + high : now;
		int err = remote_read(objects->memory, text->address + at * text->unit_size, block,
				      now * text->unit_size);
		if (err)
			return err;
		struct cursor units = cursor_of(block, now * text->unit_size);
		for (u64 i = 0; i < now; i++) {
			u32 c = unit_of(&units, text->unit_size);

			if (high && c >= 0xdc00 && c < 0xe000) {
				ret[found - 1] = 0x10000 + ((ret[found - 1] & 0x3ff) << 10) + (c & 0x3ff);
				high = false;
				continue;
			}
			high = false;
			if (found == max)
				break;
			high = text->is_utf16 && c >= 0xd800 && c < 0xdc00;
			ret[found++] = c;
		}
		at += now;
	}
	*cnt = found;
	return 0;
}

void python_point_put(struct strbuf *b, u32 point)
{
	if (point == 0)
		point = '?'; /* `at` is a C string */
	if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
		point = 0xfffd;
	int more = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
	static const u8 lead[] = {0, 0xc0, 0xe0, 0xf0};

	strbuf_put_char(b, lead[more] | point >> 6 * more);
	while (more--)
		strbuf_put_char(b, 0x80 | (point >> 6 * more & 0x3f));
}
