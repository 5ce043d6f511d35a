/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* dump_format.h - snapshots to text, nothing else. Pure but for the last step. */
#ifndef PYPROF_DUMP_FORMAT_H
#define PYPROF_DUMP_FORMAT_H

#include <stdio.h>

#include "base/strbuf.h"
#include "dump/snapshot.h"

/* How a person wants them. Only the text format looks at the first three. */
struct dump_view {
	bool colour;
	bool leaf_first; /* the most recent call first; else last, as in tracebacks */
	bool whole; /* also the frames by which threads and imports start */
	bool many; /* --all, --children: several processes were asked for, however many there are */
};

struct dump_format {
	const char *name; /* what --format takes */
	const char *summary; /* for --help */
	/* 0 or -ENOMEM */
	int (*put)(const struct snapshot *const *snapshots, size_t cnt, const struct dump_view *view, struct strbuf *b);
};

/* Ends with a row whose name is NULL. The first one is the default. */
extern const struct dump_format dump_formats[];

const struct dump_format *dump_format_find(const char *name); /* NULL: none */

/*
 * Byte for byte what Pyflame's --dump prints: "IDENT:", or "IDENT*:" of who holds the GIL or had it, then FILE:FUNCTION:LINE
 * of its Python frames, innermost first; a blank line between threads; none of those without Python frames.
 */
int pyflame_format_put(const struct snapshot *const *snapshots, size_t cnt, const struct dump_view *view,
		       struct strbuf *b);
/* FILE:FUNCTION:LINE, or with no_line FILE:FUNCTION. */
void pyflame_frame_put(const struct dump_frame *frame, bool no_line, struct strbuf *b);
/* For people; each process below the other, with a table of them above when there may be many. */
int text_format_put(const struct snapshot *const *snapshots, size_t cnt, const struct dump_view *view,
		    struct strbuf *b);
/* One object; of many, {"version", "processes": [...]}. Its members are explained in json_format.c. */
int json_format_put(const struct snapshot *const *snapshots, size_t cnt, const struct dump_view *view,
		    struct strbuf *b);
/* A line for each process: pid, version, threads, who holds the GIL or had it, where, cgroup. */
int overview_put(const struct snapshot *const *snapshots, size_t cnt, const struct dump_view *view, struct strbuf *b);

/* 0, -ENOMEM or -errno of the stream. */
int dump_write(const struct dump_format *format, const struct snapshot *const *snapshots, size_t cnt,
	       const struct dump_view *view, FILE *out);

#endif
