/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cells.h - text measured in the cells of a terminal: wide characters take two,
 * combining ones none. Pure, but for libc's table of widths (LC_CTYPE).
 */
#ifndef PYPROF_CELLS_H
#define PYPROF_CELLS_H

struct strbuf;

enum elide {
	ELIDE_MIDDLE, /* as much of the beginning as of the end */
	ELIDE_PATH, /* the end matters more: file names and lines are there */
};

int cells_width(const char *text);

/*
 * text in at most width cells, its middle left out where it is too long. Returns
 * the cells used. Control characters and bytes that are not UTF-8 become '?'.
 */
int cells_put(struct strbuf *b, const char *text, int width, enum elide elide);

/* The same, filled up with blanks to exactly width cells, on the right or on the left. */
void cells_put_left(struct strbuf *b, const char *text, int width, enum elide elide);
void cells_put_right(struct strbuf *b, const char *text, int width);
void cells_put_blanks(struct strbuf *b, int width);

/* A bar of share (0 to 1) of width cells, in eighths of a cell, filled up with blanks. */
void cells_put_bar(struct strbuf *b, double share, int width);

#endif
