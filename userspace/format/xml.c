/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "format/xml.h"

#include <stdbool.h>
#include <string.h>

#include "base/strbuf.h"
#include "pyprof/types.h"

static const struct {
	u32 first, last;
} unseen[] = {
	{0x00ad, 0x00ad}, /* soft hyphen */
	{0x061c, 0x061c}, /* Arabic letter mark */
	{0x200b, 0x200b}, /* zero width space; the joiners after it are part of scripts */
	{0x200e, 0x200f}, /* left-to-right and right-to-left mark */
	{0x2028, 0x202e}, /* line and paragraph separator, embeddings and overrides */
	{0x2060, 0x206f}, /* invisible operators, isolates, deprecated controls */
	{0xfeff, 0xfeff}, /* byte order mark */
};

static bool is_unseen(u32 point)
{
	for (size_t i = 0; i < sizeof(unseen) / sizeof(unseen[0]); i++)
		if (point >= unseen[i].first && point <= unseen[i].last)
			return true;
	return false;
}

/* Of the sequence that begins with lead, in valid UTF-8. */
static size_t utf8_length(unsigned char lead)
{
	return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

static u32 utf8_point(const unsigned char *text, size_t length)
{
	u32 point = length == 1 ? text[0] : text[0] & (0x7f >> length);

	for (size_t i = 1; i < length; i++)
		point = point << 6 | (text[i] & 0x3f);
	return point;
}

static void xml_put_wide(struct strbuf *b, const char *text, size_t length)
{
	u32 point = utf8_point((const unsigned char *)text, length);

	if (point == 0xfffe || point == 0xffff)
		strbuf_put(b, "\xef\xbf\xbd");
	else if (is_unseen(point))
		strbuf_printf(b, "\\u%04x", point);
	else
		strbuf_put_size(b, text, length);
}

static void xml_put_ascii(struct strbuf *b, char c)
{
	switch (c) {
	case '<':
		strbuf_put(b, "&lt;");
		break;
	case '>':
		strbuf_put(b, "&gt;");
		break;
	case '&':
		strbuf_put(b, "&amp;");
		break;
	case '"':
		strbuf_put(b, "&quot;");
		break;
	case '\'':
		strbuf_put(b, "&#39;");
		break;
	default:
		strbuf_put_char(b, (unsigned char)c < 0x20 || c == 0x7f ? '?' : c);
	}
}

void xml_put_size(struct strbuf *b, const char *text, size_t size)
{
	while (size) {
		size_t length = utf8_length((unsigned char)*text);

		if (length > size)
			return;
		if (length == 1)
			xml_put_ascii(b, *text);
		else
			xml_put_wide(b, text, length);
		text += length;
		size -= length;
	}
}

void xml_put(struct strbuf *b, const char *text)
{
	xml_put_size(b, text, strlen(text));
}
