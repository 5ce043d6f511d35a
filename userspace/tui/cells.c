/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tui/cells.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <wchar.h>

#include "base/strbuf.h"

#define ELLIPSIS "\xe2\x80\xa6"

/* One character of a text: where it ends and how wide it is. */
struct glyph {
	size_t size; /* bytes */
	int width; /* cells */
	bool printable;
};

static struct glyph glyph_at(const char *text)
{
	static const struct glyph bad = {.size = 1, .width = 1};
	const unsigned char *at = (const unsigned char *)text;
	size_t size = at[0] < 0x80 ? 1 : at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : at[0] >= 0xc0 ? 2 : 0;

	if (!size)
		return bad;
	wchar_t point = size == 1 ? at[0] : at[0] & (0x7f >> size);
	for (size_t i = 1; i < size; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return bad;
		point = point << 6 | (at[i] & 0x3f);
	}
	if (point < 0x20 || (point >= 0x7f && point < 0xa0))
		return (struct glyph){.size = size, .width = 1};

	/* Unknown to libc, because it is newer or the locale is C: most likely one cell. */
	int width = wcwidth(point);
	return (struct glyph){.size = size, .width = width < 0 ? 1 : width, .printable = true};
}

static void glyph_put(struct strbuf *b, const char *text, struct glyph glyph)
{
	if (glyph.printable)
		strbuf_put_size(b, text, glyph.size);
	else
		strbuf_put_char(b, '?');
}

int cells_width(const char *text)
{
	int width = 0;

	while (*text) {
		struct glyph glyph = glyph_at(text);
		width += glyph.width;
		text += glyph.size;
	}
	return width;
}

/* The beginning of text that fits. Returns the cells used. */
static int put_head(struct strbuf *b, const char *text, int width)
{
	int used = 0;

	while (*text) {
		struct glyph glyph = glyph_at(text);
		if (used + glyph.width > width)
			break;
		glyph_put(b, text, glyph);
		used += glyph.width;
		text += glyph.size;
	}
	return used;
}

/* The end of text that fits, never beginning with what combines with a character left out. */
static int put_tail(struct strbuf *b, const char *text, int width)
{
	int left = cells_width(text);

	while (*text) {
		struct glyph glyph = glyph_at(text);
		if (left <= width && glyph.width)
			break;
		left -= glyph.width;
		text += glyph.size;
	}
	return put_head(b, text, width);
}

int cells_put(struct strbuf *b, const char *text, int width, enum elide elide)
{
	if (width <= 0)
		return 0;
	if (cells_width(text) <= width)
		return put_head(b, text, width);

	int head = elide == ELIDE_PATH ? (width - 1) / 3 : width / 2;
	int used = put_head(b, text, head) + 1;
	strbuf_put(b, ELLIPSIS);
	return used + put_tail(b, text, width - used);
}

void cells_put_blanks(struct strbuf *b, int width)
{
	for (int i = 0; i < width; i++)
		strbuf_put_char(b, ' ');
}

void cells_put_left(struct strbuf *b, const char *text, int width, enum elide elide)
{
	int used = cells_put(b, text, width, elide);

	cells_put_blanks(b, width - used);
}

void cells_put_right(struct strbuf *b, const char *text, int width)
{
	cells_put_blanks(b, width - cells_width(text));
	cells_put(b, text, width, ELIDE_MIDDLE);
}

void cells_put_bar(struct strbuf *b, double share, int width)
{
	static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	int filled = (share < 0 ? 0 : share > 1 ? 1 : share) * width * 8 + 0.5;

	for (int i = 0; i < filled / 8; i++)
		strbuf_put(b, "█");
	strbuf_put(b, eighths[filled % 8]);
	cells_put_blanks(b, width - (filled + 7) / 8);
}
