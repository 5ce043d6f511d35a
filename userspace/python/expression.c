/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/expression.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/strbuf.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define ELLIPSIS	"\xe2\x80\xa6"

struct span {
	const char *at, *end;
};

/* The next line, without its end. CPython takes a lone carriage return for one as well, but nobody writes those. */
static bool line_take(struct span *source, struct span *ret)
{
	size_t left = (size_t)(source->end - source->at);
	const char *end = left ? memchr(source->at, '\n', left) : NULL;

	if (!left)
		return false;
	*ret = (struct span){source->at, end ? end : source->end};
	source->at = end ? end + 1 : source->end;
	if (ret->end > ret->at && ret->end[-1] == '\r')
		ret->end--;
	return !memchr(ret->at, '\r', (size_t)(ret->end - ret->at));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* A letter, a digit, or a part of one that is no ASCII. */
static bool is_of_word(char c)
{
	return c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c & 0x80);
}

static bool is_utf8(const struct span *text)
{
	STRBUF(plain);
	STRBUF(clean);

	for (const char *at = text->at; at < text->end; at++)
		strbuf_put_char(&plain, is_blank(*at) ? ' ' : *at);
	strbuf_put_clean(&clean, plain.at, plain.size);
	return !clean.failed && clean.size == plain.size && !memcmp(clean.at, plain.at, plain.size);
}

/* Not when it begins or ends with blanks or within a word: those columns are of another text than this one. */
static bool is_whole(const struct span *text, const struct span *first, const struct span *last)
{
	if (text->at >= text->end || is_blank(*text->at) || is_blank(text->end[-1]))
		return false;
	if (text->at > first->at && is_of_word(text->at[-1]) && is_of_word(*text->at))
		return false;
	return text->end == last->end || !is_of_word(text->end[-1]) || !is_of_word(*text->end);
}

static int span_find(const char *source, size_t size, const struct line_position *at, struct span *ret)
{
	struct span rest = {source, source + size}, line = {0}, first = {0};

	if (size >= strlen(BYTE_ORDER_MARK) && !memcmp(source, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)))
		rest.at += strlen(BYTE_ORDER_MARK);
	if (!at->has_columns || !at->line || at->end_line < at->line)
		return -ENOENT;
	for (u32 i = 1; i <= at->end_line; i++) {
		if (!line_take(&rest, &line))
			return -ENOENT;
		if (i == at->line)
			first = line;
	}
	if (at->column >= first.end - first.at || at->end_column > line.end - line.at)
		return -ENOENT;
	*ret = (struct span){first.at + at->column, line.at + at->end_column};
	const struct span all = {first.at, ret->end};
	return is_whole(ret, &first, &line) && is_utf8(&all) ? 0 : -ENOENT;
}

/* Blanks between two characters: one, or none where a line ends behind or before a bracket. */
static const char *blanks_take(const struct span *text, const char *at, struct strbuf *b)
{
	char before = b->size ? b->at[b->size - 1] : '(';
	bool breaks = false;

	for (; at < text->end && is_blank(*at); at++)
		breaks |= *at == '\n';
	if (!breaks || (!strchr("([{", before) && !strchr(")]}", at < text->end ? *at : ')')))
		strbuf_put_char(b, ' ');
	return at;
}

int expression_put(const char *source, size_t size, const struct line_position *at, struct strbuf *b)
{
	struct span text;
	STRBUF(joined);

	int err = span_find(source, size, at, &text);
	if (err)
		return err;
	const char *c = text.at;
	while (c < text.end && joined.size < EXPRESSION_MAX) {
		if (is_blank(*c))
			c = blanks_take(&text, c, &joined);
		else
			strbuf_put_char(&joined, *c++);
	}
	if (joined.failed)
		return -ENOMEM;
	size_t end = joined.size;
	if (c < text.end && (*c & 0xc0) == 0x80) { /* not in the middle of a character */
		while (end && (joined.at[end - 1] & 0xc0) == 0x80)
			end--;
		end -= end > 0;
	}
	strbuf_put_clean(b, joined.at, end);
	if (c < text.end)
		strbuf_put(b, ELLIPSIS);
	return 0;
}
