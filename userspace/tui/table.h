/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * table.h - what the live table shows, and its lines. Filled once a second from
 * a profile, then independent of it: a paused table can be sorted and resized
 * while sampling goes on. Making lines is pure.
 */
#ifndef PYPROF_TABLE_H
#define PYPROF_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "profile/hot_list.h"
#include "tui/status.h"

#define TABLE_ROWS_MAX	    1000 /* more than any window shows: what can be sorted while paused */
#define TABLE_PROCESSES_MAX 3 /* that the first line can speak of */

/* A function in a process. Text is owned by the table, clean UTF-8. */
struct table_row {
	enum frame_kind kind;
	u64 self, total; /* samples */
	char *function;
	char *place; /* "app.py:17", "libz.so.1", "kernel" */
	char *process; /* "python3 (1234)" */
};

struct table_process {
	u64 samples;
	char *process;
	char *function; /* the hottest one; "" when that has no name */
	char *place; /* without directories */
};

struct table {
	bool whole_host; /* every process is in the profile, so that CPUs can be called busy or idle */
	bool paused;
	enum per per; /* what its processes are */
	enum hot_sort sort;
	struct status status;
	double seconds; /* that the profile spans */
	u32 hz, cpus;
	u64 samples;
	struct table_row rows[TABLE_ROWS_MAX];
	size_t cnt;
	struct table_process processes[TABLE_PROCESSES_MAX]; /* most samples first */
	size_t process_cnt;
};

/* What a terminal can show. */
enum palette {
	PALETTE_NONE, /* no escape sequence at all */
	PALETTE_MONO, /* bold, dim, reverse */
	PALETTE_COLOUR,
};

struct table_shape {
	int columns, lines;
	enum palette palette;
};

/* Releases the text and empties the table; what it is set to (sort, paused, whole_host) stays. */
void table_clear(struct table *table);

void table_sort(struct table *table, enum hot_sort sort);

/*
 * shape.lines lines with a newline between them, none wider than shape.columns:
 * a sentence for the person on call, how the profiler does, the hottest
 * functions, the keys. Small windows keep the functions longest.
 */
void table_put(const struct table *table, const struct table_shape *shape, struct strbuf *b);

/* The first line alone. */
void table_put_sentence(const struct table *table, int columns, struct strbuf *b);

#endif
