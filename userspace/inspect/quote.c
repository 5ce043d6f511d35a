/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/quote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/text.h"

/*
 * What repr() escapes above ASCII: control, format, private and separator
 * characters, surrogates, and what never is one (Objects/unicodeobject.c,
 * Py_UNICODE_ISPRINTABLE). Those that no version of Unicode has assigned *yet* are
 * escaped by CPython too and shown by us, or this table would depend on the version.
 */
static const struct {
	u32 first, last;
} not_printable[] = {
	{0x80, 0xa0},	     {0xad, 0xad},	 {0x600, 0x605},     {0x61c, 0x61c},	 {0x6dd, 0x6dd},
	{0x70f, 0x70f},	     {0x890, 0x891},	 {0x8e2, 0x8e2},     {0x1680, 0x1680},	 {0x180e, 0x180e},
	{0x2000, 0x200f},    {0x2028, 0x202f},	 {0x205f, 0x2064},   {0x2066, 0x206f},	 {0x3000, 0x3000},
	{0xd800, 0xf8ff},    {0xfdd0, 0xfdef},	 {0xfeff, 0xfeff},   {0xfff9, 0xfffb},	 {0xfffe, 0xffff},
	{0x110bd, 0x110bd},  {0x110cd, 0x110cd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
	{0x1fffe, 0x1ffff},  {0x2fffe, 0x2ffff}, {0x3fffe, 0x3ffff}, {0x4fffe, 0x4ffff}, {0x5fffe, 0x5ffff},
	{0x6fffe, 0x6ffff},  {0x7fffe, 0x7ffff}, {0x8fffe, 0x8ffff}, {0x9fffe, 0x9ffff}, {0xafffe, 0xaffff},
	{0xbfffe, 0xbffff},  {0xcfffe, 0xcffff}, {0xdfffe, 0xdffff}, {0xe0001, 0xe0001}, {0xe0020, 0xe007f},
	{0xefffe, 0x10ffff},
};

static bool is_printable(u32 point)
{
	size_t low = 0, high = sizeof(not_printable) / sizeof(*not_printable);

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (not_printable[middle].last < point)
			low = middle + 1;
		else
			high = middle;
	}
	return point <= 0x10ffff &&
	       (low == sizeof(not_printable) / sizeof(*not_printable) || point < not_printable[low].first);
}

/* A character outside of ASCII. */
static void wide_put(struct strbuf *b, u32 point, bool ascii_only)
{
	if (!ascii_only && is_printable(point))
		python_point_put(b, point);
	else if (point <= 0xff)
		strbuf_printf(b, "\\x%02x", point);
	else if (point <= 0xffff)
		strbuf_printf(b, "\\u%04x", point);
	else
		strbuf_printf(b, "\\U%08x", point);
}

static void point_put(struct strbuf *b, u32 point, char quote, bool ascii_only)
{
	static const char escaped[] = "\t\n\r", letters[] = "tnr";

	if (point == '\\' || point == (u32)quote)
		strbuf_printf(b, "\\%c", point);
	else if (point && point < 0x20 && strchr(escaped, point))
		strbuf_printf(b, "\\%c", letters[strchr(escaped, point) - escaped]);
	else if (point < 0x20 || point == 0x7f)
		strbuf_printf(b, "\\x%02x", point);
	else if (point < 0x7f)
		strbuf_put_char(b, point);
	else
		wide_put(b, point, ascii_only);
}

static bool has_point(const u32 *points, size_t cnt, u32 point)
{
	for (size_t i = 0; i < cnt; i++)
		if (points[i] == point)
			return true;
	return false;
}

static int quote(struct strbuf *b, const struct python_objects *objects, const struct python_text *text, size_t max,
		 const char *prefix, bool ascii_only)
{
	size_t cnt;
	max = max < PYTHON_QUOTE_MAX ? max : PYTHON_QUOTE_MAX;
	_cleanup_(free) u32 *points = malloc((max + 1) * sizeof(*points));
	if (!points)
		return -ENOMEM;

	/* One more than is shown: whether there is more is not seen from the units. */
	int err = python_text_read(objects, text, max + 1, points, &cnt);
	if (err)
		return err;
	char mark = has_point(points, cnt, '\'') && !has_point(points, cnt, '"') ? '"' : '\'';
	strbuf_printf(b, "%s%c", prefix, mark);
	for (size_t i = 0; i < cnt && i < max; i++)
		point_put(b, points[i], mark, ascii_only);
	if (cnt > max)
		python_point_put(b, 0x2026);
	strbuf_put_char(b, mark);
	return 0;
}

int python_quote_text(struct strbuf *b, const struct python_objects *objects, u64 address, size_t max)
{
	struct python_text text;
	int err = python_text_find(objects, address, &text);
	if (err)
		return err;

	bool old = objects->layout->string_state == ABSENT; /* 2.7: str is bytes, unicode is not for terminals */
	return quote(b, objects, &text, max, old && !text.is_bytes ? "u" : "", old);
}

int python_quote_bytes(struct strbuf *b, const struct python_objects *objects, u64 address, size_t max)
{
	struct python_text text = {
		.address = address + objects->layout->bytes_data,
		.unit_size = 1,
		.is_bytes = true,
	};
	int err = object_word(objects, address + objects->layout->bytes_size, &text.length);

	if (!err && text.length > PYTHON_TEXT_LENGTH_MAX)
		err = -EINVAL;
	return err ? err : quote(b, objects, &text, max, "b", true);
}
