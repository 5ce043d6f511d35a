/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * expression.h - the text between two positions of a program's source, as one short
 * line for people. Pure. The source may be another than what was compiled, or
 * hostile: what does not look like a whole expression is none.
 */
#ifndef PYPROF_EXPRESSION_H
#define PYPROF_EXPRESSION_H

#include <stddef.h>

#include "python/line_table.h"

struct strbuf;

#define EXPRESSION_MAX 100 /* bytes; the rest of a longer one is an ellipsis */

/*
 * Appends it: valid UTF-8 without control characters, lines joined by blanks. -ENOENT, and
 * nothing is appended, when the source has no such lines and columns, does not begin and end a
 * word there, or is not UTF-8 up to there.
 */
int expression_put(const char *source, size_t size, const struct line_position *at, struct strbuf *b);

#endif
