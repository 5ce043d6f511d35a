/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/visible.h"

#include <string.h>

#include "base/strbuf.h"

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

bool char_is_unseen(u32 point)
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

size_t char_take(const char *text, size_t size, u32 *ret)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t length = size ? utf8_length(*bytes) : 0;

	if (!length || length > size)
		return 0;
	*ret = length == 1 ? bytes[0] : bytes[0] & (0x7f >> length);
	for (size_t i = 1; i < length; i++)
		*ret = *ret << 6 | (bytes[i] & 0x3f);
	return length;
}

void visible_put_char(struct strbuf *b, u32 point, const char *text, size_t size)
{
	if (point == 0xfffe || point == 0xffff)
		strbuf_put(b, "\xef\xbf\xbd");
	else if (char_is_unseen(point))
		strbuf_printf(b, "\\u%04x", point);
	else
		strbuf_put_size(b, text, size);
}

static size_t ascii_length(const char *text)
{
	size_t length = 0;

	while (text[length] && !(text[length] & 0x80))
		length++;
	return length;
}

void visible_put(struct strbuf *b, const char *text)
{
	size_t size = strlen(text), plain = ascii_length(text), length;
	u32 point;

	/* As nearly every name is. */
	strbuf_put_size(b, text, plain);
	text += plain;
	size -= plain;

	while ((length = char_take(text, size, &point))) {
		visible_put_char(b, point, text, length);
		text += length;
		size -= length;
	}
}
