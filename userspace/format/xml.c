/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "format/xml.h"

#include <string.h>

#include "base/strbuf.h"
#include "base/visible.h"

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
	size_t length;
	u32 point;

	while ((length = char_take(text, size, &point))) {
		if (length == 1)
			xml_put_ascii(b, *text);
		else
			visible_put_char(b, point, text, length);
		text += length;
		size -= length;
	}
}

void xml_put(struct strbuf *b, const char *text)
{
	xml_put_size(b, text, strlen(text));
}
