/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* format.h - profile to bytes, nothing else. Pure: goldens and fuzzing need no set-up. */
#ifndef PYPROF_FORMAT_H
#define PYPROF_FORMAT_H

#include <stdbool.h>
#include <stdio.h>

#include "format/gzip.h"
#include "profile/profile.h"

struct format {
	const char *name; /* what --format takes */
	const char *suffix; /* ".folded" */
	const char *summary; /* for --help */
	int (*write)(const struct profile *profile, const struct truth *truth, const struct view *view, FILE *out);
	bool sources; /* shows the text of expressions (frame_table.h) */
};

/* Ends with a row whose name is NULL. */
extern const struct format formats[];

const struct format *format_find(const char *name); /* NULL: none */
/*
 * By the suffix of a file name. "-" and names without any suffix are folded; NULL
 * for a suffix that is none of ours.
 */
const struct format *format_of_file(const char *path);

/* Folded lines, root first, sorted bytewise; also what a window of a stream is made of. */
int folded_write(const struct profile *profile, const struct truth *truth, const struct view *view, FILE *out);
/* Gzipped; see pprof.c. */
int pprof_write(const struct profile *profile, const struct truth *truth, const struct view *view, FILE *out);

/*
 * What the engine takes that a pprof is for; a file has no such bounds. Two samples that differ only in what was cut off are
 * both there, and alike: readers add them up.
 */
struct pprof_limits {
	size_t label_size; /* bytes of a text label, which is cut at the end of a character */
	u32 depth; /* frames of a stack: of a deeper one the inner ones stay, the outermost says that more are missing */
};

int pprof_write_for_engine(const struct profile *profile, const struct truth *truth, const struct view *view,
			   const struct pprof_limits *limits, FILE *out);
int speedscope_write(const struct profile *profile, const struct truth *truth, const struct view *view, FILE *out);
int firefox_write(const struct profile *profile, const struct truth *truth, const struct view *view, FILE *out);
int otlp_write(const struct profile *profile, const struct truth *truth, const struct view *view, FILE *out);
int flamegraph_svg_write(const struct profile *profile, const struct truth *truth, const struct view *view, FILE *out);

/* --stats: one JSON object (README, "Statistics"). */
int stats_json_write(const struct truth *truth, FILE *out);

#endif
