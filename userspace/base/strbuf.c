/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool strbuf_reserve(struct strbuf *b, size_t more)
{
	if (b->failed)
		return false;
	if (b->capacity && more < b->capacity - b->size)
		return true;

	size_t capacity = b->capacity ? b->capacity : 64;
	while (capacity - b->size <= more)
		capacity *= 2;

	char *at = realloc(b->capacity ? b->at : NULL, capacity);
	if (!at) {
		b->failed = true;
		return false;
	}
	at[b->size] = 0;
	b->at = at;
	b->capacity = capacity;
	return true;
}

void strbuf_deinit(struct strbuf *b)
{
	if (b->capacity)
		free(b->at);
	*b = (struct strbuf){.at = (char *)""};
}

void strbuf_clear(struct strbuf *b)
{
	b->size = 0;
	b->failed = false;
	if (b->capacity)
		b->at[0] = 0;
}

void strbuf_put_size(struct strbuf *b, const char *text, size_t size)
{
	if (!size || !strbuf_reserve(b, size))
		return;
	memcpy(b->at + b->size, text, size);
	b->size += size;
	b->at[b->size] = 0;
}

void strbuf_put(struct strbuf *b, const char *text)
{
	strbuf_put_size(b, text, strlen(text));
}

void strbuf_put_char(struct strbuf *b, char c)
{
	strbuf_put_size(b, &c, 1);
}

void strbuf_printf(struct strbuf *b, const char *format, ...)
{
	va_list args, again;

	va_start(args, format);
	va_copy(again, args);
	int size = vsnprintf(NULL, 0, format, args);
	if (size >= 0 && strbuf_reserve(b, size)) {
		vsnprintf(b->at + b->size, (size_t)size + 1, format, again);
		b->size += size;
	}
	va_end(again);
	va_end(args);
}

/*
 * Length of the UTF-8 sequence at text, 0 when there is none that is valid:
 * no overlong forms, no surrogates, nothing above U+10FFFF (RFC 3629).
 */
static size_t utf8_sequence(const unsigned char *text, size_t size, uint32_t *ret)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t least;
	} forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

	for (size_t more = 0; more < 4; more++) {
		if ((text[0] & forms[more].mask) != forms[more].lead)
			continue;
		if (more >= size)
			return 0;
		uint32_t point = text[0] & (unsigned char)~forms[more].mask;
		for (size_t i = 1; i <= more; i++) {
			if ((text[i] & 0xc0) != 0x80)
				return 0;
			point = point << 6 | (text[i] & 0x3f);
		}
		if (point < forms[more].least || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
			return 0;
		*ret = point;
		return more + 1;
	}
	return 0;
}

void strbuf_put_clean(struct strbuf *b, const char *text, size_t size)
{
	while (size) {
		uint32_t point = 0;
		size_t length = utf8_sequence((const unsigned char *)text, size, &point);

		if (!length) {
			strbuf_put(b, "\xef\xbf\xbd");
			length = 1;
		} else if (point < 0x20 || (point >= 0x7f && point < 0xa0)) {
			strbuf_put_char(b, '?');
		} else {
			strbuf_put_size(b, text, length);
		}
		text += length;
		size -= length;
	}
}

void strbuf_cut(struct strbuf *b, size_t max)
{
	if (b->size <= max)
		return;
	while (max && ((unsigned char)b->at[max] & 0xc0) == 0x80)
		max--;
	b->size = max;
	b->at[max] = 0;
}

char *strbuf_take(struct strbuf *b)
{
	if (b->failed) {
		strbuf_deinit(b);
		return NULL;
	}
	char *text = b->capacity ? b->at : strdup("");
	*b = (struct strbuf){.at = (char *)""};
	return text;
}
