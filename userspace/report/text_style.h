/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* text_style.h - the few colours of the text format. */
#ifndef PYPROF_TEXT_STYLE_H
#define PYPROF_TEXT_STYLE_H

#include "base/strbuf.h"
#include "report/dump_format.h"

enum text_style {
	STYLE_HEAD, /* what a block begins with */
	STYLE_ALARM, /* a deadlock, a stack that could not be read */
	STYLE_GIL,
	STYLE_DIM, /* what is seldom looked at */
};

/* Select Graphic Rendition: bold, red, yellow, dim. */
static inline void style_begin(const struct dump_view *view, enum text_style style, struct strbuf *b)
{
	static const char *const codes[] = {
		[STYLE_HEAD] = "1", [STYLE_ALARM] = "1;31", [STYLE_GIL] = "33", [STYLE_DIM] = "2"};

	if (view->colour)
		strbuf_printf(b, "\033[%sm", codes[style]);
}

static inline void style_end(const struct dump_view *view, struct strbuf *b)
{
	if (view->colour)
		strbuf_put(b, "\033[0m");
}

#endif
