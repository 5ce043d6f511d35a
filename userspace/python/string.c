/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/string.h"

#include <errno.h>
#include <stdbool.h>

#include "base/cursor.h"

/*
 * A str of 2.7 is plain bytes in no known encoding: UTF-8 where it is valid. Since then
 * a str (CPython's Include/cpython/unicodeobject.h) is one of three:
 *
 *	PyASCIIObject, then the bytes			compact and ascii
 *	PyCompactUnicodeObject, then the units		compact
 *	PyCompactUnicodeObject, then a pointer to them	neither: a subclass's or, up to 3.11, a legacy string's
 *
 * Its state has, from layout->string_kind_bit on: kind (3 bits: 1, 2 or 4 bytes
 * a unit; 0 is a legacy string not yet in any of these forms), compact, ascii.
 */
#define STRING_HEADER_MAX 128 /* python_layout_check bounds string_ascii_size by it */
#define LENGTH_MAX	  (1ull << 48) /* no address space holds more: it is no length */

struct string_header {
	u64 length; /* units */
	u64 data; /* where they are */
	unsigned int unit_size; /* 0: bytes, maybe UTF-8 */
};

/* Reads no more than every string has: a short one may be the last thing before unmapped memory. */
static int string_header_read(const struct remote_memory *memory, const struct python_layout *layout, u64 address,
			      struct string_header *ret)
{
	u8 bytes[STRING_HEADER_MAX];
	int err = remote_read(memory, address, bytes, layout->string_ascii_size);
	if (err)
		return err;

	struct string_header header = {.data = address + layout->string_ascii_size};
	u32 state;
	memcpy(&header.length, bytes + layout->string_length, sizeof(header.length));
	if (layout->string_state == ABSENT) {
		if (header.length > LENGTH_MAX)
			return -EINVAL;
		*ret = header;
		return 0;
	}
	memcpy(&state, bytes + layout->string_state, sizeof(state));
	state >>= layout->string_kind_bit;
	header.unit_size = state & 7;
	bool compact = state & 8;
	bool ascii = state & 16;

	if (header.unit_size != 1 && header.unit_size != 2 && header.unit_size != 4)
		return -EINVAL;
	if ((ascii && header.unit_size != 1) || header.length > LENGTH_MAX)
		return -EINVAL;

	if (!ascii)
		header.data = address + layout->string_compact_size;
	if (!compact)
		err = remote_read(memory, address + layout->string_compact_size, &header.data, sizeof(header.data));
	if (!err)
		*ret = header;
	return err;
}

static void put_utf8(struct strbuf *b, u32 c)
{
	if (c == 0)
		c = '?'; /* `at` is a C string */
	if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		c = 0xfffd;
	if (c < 0x80) {
		strbuf_put_char(b, c);
	} else if (c < 0x800) {
		strbuf_put_char(b, 0xc0 | c >> 6);
		strbuf_put_char(b, 0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		strbuf_put_char(b, 0xe0 | c >> 12);
		strbuf_put_char(b, 0x80 | (c >> 6 & 0x3f));
		strbuf_put_char(b, 0x80 | (c & 0x3f));
	} else {
		strbuf_put_char(b, 0xf0 | c >> 18);
		strbuf_put_char(b, 0x80 | (c >> 12 & 0x3f));
		strbuf_put_char(b, 0x80 | (c >> 6 & 0x3f));
		strbuf_put_char(b, 0x80 | (c & 0x3f));
	}
}

#define NO_CHARACTER 0xffffffff

/* One character (The Unicode Standard, table 3-7), or one byte that begins none. */
static u32 read_utf8(struct cursor *bytes)
{
	static const u32 smallest[] = {0, 0x80, 0x800, 0x10000}; /* what is written longer than need be is none */
	u8 first = cursor_u8(bytes);
	unsigned int more = first < 0x80 ? 0 : first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
	u32 c = more ? first & (0x3f >> more) : first;

	if ((first >= 0x80 && first < 0xc0) || first >= 0xf8 || cursor_left(bytes) < more)
		return NO_CHARACTER;
	for (unsigned int i = 0; i < more; i++) {
		if ((bytes->at[i] & 0xc0) != 0x80)
			return NO_CHARACTER;
		c = c << 6 | (bytes->at[i] & 0x3f);
	}
	if (c < smallest[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return NO_CHARACTER;
	cursor_take(bytes, more);
	return c;
}

/* PEP 383: what os.fsdecode() makes of bytes 0x80 to 0xff that are no UTF-8. */
static bool is_escaped_byte(u32 c)
{
	return c >= 0xdc80 && c <= 0xdcff;
}

static void put_units(struct strbuf *b, struct cursor *units, unsigned int unit_size, bool is_path)
{
	while (!unit_size && cursor_left(units))
		put_utf8(b, read_utf8(units));
	while (unit_size && cursor_left(units) >= unit_size) {
		u32 c = unit_size == 1 ? cursor_u8(units) : unit_size == 2 ? cursor_u16(units) : cursor_u32(units);

		if (is_path && is_escaped_byte(c))
			strbuf_put_char(b, c & 0xff);
		else
			put_utf8(b, c);
	}
}

static int text_read(const struct remote_memory *memory, const struct python_layout *layout, u64 address, bool is_path,
		     struct strbuf *b)
{
	struct string_header header;
	int err = string_header_read(memory, layout, address, &header);
	if (err)
		return err;

	u64 cnt = header.length < PYTHON_STRING_MAX ? header.length : PYTHON_STRING_MAX;
	size_t size = header.unit_size ? cnt * header.unit_size : cnt;
	u8 data[PYTHON_STRING_MAX * sizeof(u32)];
	err = remote_read(memory, header.data, data, size);
	if (err)
		return err;

	struct cursor units = cursor_of(data, size);
	put_units(b, &units, header.unit_size, is_path);
	if (cnt < header.length)
		put_utf8(b, 0x2026);
	return b->failed ? -ENOMEM : 0;
}

int python_string_read(const struct remote_memory *memory, const struct python_layout *layout, u64 address,
		       struct strbuf *b)
{
	return text_read(memory, layout, address, false, b);
}

int python_path_read(const struct remote_memory *memory, const struct python_layout *layout, u64 address,
		     struct strbuf *b)
{
	return text_read(memory, layout, address, true, b);
}
