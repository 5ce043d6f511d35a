/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tui/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "tui/cells.h"

#define ARRAY_CNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- what a style is on which terminal ---- */

enum style {
	STYLE_SENTENCE,
	STYLE_STATUS,
	STYLE_HEADER,
	STYLE_NUMBER,
	STYLE_BAR,
	STYLE_PLACE,
	STYLE_PROCESS,
	STYLE_KEYS,
	STYLE_ALARM,
	STYLE_KIND, /* plus enum frame_kind: the same families as in the flame graph */
	STYLE_CNT = STYLE_KIND + FRAME_KIND_CNT,
};

/* Select Graphic Rendition: mono is bold 1, dim 2, reverse 7; what is NULL stays plain. */
static const char *const styles[STYLE_CNT][PALETTE_COLOUR + 1] = {
	[STYLE_SENTENCE] = {NULL, "1", "1"},
	[STYLE_STATUS] = {NULL, "2", "2"},
	[STYLE_HEADER] = {NULL, "7", "7"},
	[STYLE_NUMBER] = {NULL, NULL, NULL},
	[STYLE_BAR] = {NULL, NULL, "36"},
	[STYLE_PLACE] = {NULL, "2", "2"},
	[STYLE_PROCESS] = {NULL, NULL, NULL},
	[STYLE_KEYS] = {NULL, "2", "2"},
	[STYLE_ALARM] = {NULL, "1", "1;31"},
	[STYLE_KIND + FRAME_PYTHON] = {NULL, "1", "1;32"},
	[STYLE_KIND + FRAME_NATIVE] = {NULL, NULL, "33"},
	[STYLE_KIND + FRAME_KERNEL] = {NULL, NULL, "35"},
	[STYLE_KIND + FRAME_LOSS] = {NULL, "2", "2"},
	[STYLE_KIND + FRAME_MARK] = {NULL, "2", "2"},
};

static void style_begin(struct strbuf *b, enum style style, enum palette palette)
{
	if (styles[style][palette])
		strbuf_printf(b, "\033[%sm", styles[style][palette]);
}

static void style_end(struct strbuf *b, enum style style, enum palette palette)
{
	if (styles[style][palette])
		strbuf_put(b, "\033[0m");
}

/* ---- the sentence ---- */

/* How much a version of the sentence says; tried from the most to the least. */
struct wording {
	int others; /* further processes named */
	bool cpus, busy, words, place;
};

static const struct wording wordings[] = {
	{2, true, true, true, true},	{1, true, true, true, true},	 {0, true, true, true, true},
	{0, false, true, true, true},	{0, false, true, true, false},	 {0, false, true, false, true},
	{0, false, true, false, false}, {0, false, false, false, false},
};

/* Samples as a number of CPUs kept busy. */
static double cpus_of(const struct table *t, u64 samples)
{
	double possible = t->seconds * t->hz;

	return possible > 0 ? samples / possible : 0;
}

static void put_percent(struct strbuf *b, double share)
{
	double percent = 100 * share;

	strbuf_printf(b, percent < 9.95 ? "%.1f %%" : "%.0f %%", percent);
}

static void put_usage(struct strbuf *b, const struct table *t, u64 samples, bool words)
{
	double cpus = cpus_of(t, samples);

	if (cpus >= 1.005) {
		strbuf_printf(b, "%.1f CPUs", cpus);
		return;
	}
	put_percent(b, cpus);
	if (words)
		strbuf_put(b, t->cpus == 1 ? " of the CPU" : " of one CPU");
}

static void put_host(struct strbuf *b, const struct table *t, const struct wording *w)
{
	double busy = t->cpus ? cpus_of(t, t->samples) / t->cpus : 0;

	if (!t->whole_host || !w->busy)
		return;
	if (w->cpus)
		strbuf_printf(b, "%u CPU%s, ", t->cpus, t->cpus == 1 ? "" : "s");
	put_percent(b, busy > 1 ? 1 : busy); /* clocks differ a little */
	strbuf_put(b, " busy: ");
}

static void put_top(struct strbuf *b, const struct table *t, const struct wording *w)
{
	const struct table_process *top = &t->processes[0];

	strbuf_printf(b, "%s%s ", top->process, w->words ? " uses" : "");
	put_usage(b, t, top->samples, w->words);
	if (*top->function)
		strbuf_printf(b, "%s%s", w->words ? ", mostly in " : ", ", top->function);
	if (*top->function && *top->place && w->place)
		strbuf_printf(b, " (%s)", top->place);
}

static void put_others(struct strbuf *b, const struct table *t, int cnt)
{
	for (int i = 1; i <= cnt && i < (int)t->process_cnt; i++) {
		strbuf_printf(b, i == 1 ? "; then %s " : ", %s ", t->processes[i].process);
		put_usage(b, t, t->processes[i].samples, false);
	}
}

static void put_idle(struct strbuf *b, const struct table *t)
{
	if (t->whole_host)
		strbuf_printf(b, "%u CPU%s, idle: nothing has used a CPU so far", t->cpus, t->cpus == 1 ? "" : "s");
	else
		strbuf_put(b, "idle: none of these processes has used a CPU so far");
}

void table_put_sentence(const struct table *t, int columns, struct strbuf *b)
{
	STRBUF(text);

	if (!t->samples || !t->process_cnt)
		put_idle(&text, t);
	for (size_t i = 0; t->samples && t->process_cnt && i < ARRAY_CNT(wordings); i++) {
		strbuf_clear(&text);
		put_host(&text, t, &wordings[i]);
		put_top(&text, t, &wordings[i]);
		put_others(&text, t, wordings[i].others);
		if (cells_width(text.at) <= columns)
			break;
	}
	cells_put(b, text.at, columns, ELIDE_MIDDLE);
}

/* ---- the columns ---- */

enum column { COLUMN_SELF, COLUMN_TOTAL, COLUMN_BAR, COLUMN_FUNCTION, COLUMN_PLACE, COLUMN_PROCESS, COLUMN_CNT };

#define COLUMN_GAP 2

/*
 * A column appears when the window has at_least columns. Those without a width
 * share what is left by weight, but none takes more than its text needs.
 */
static const struct {
	const char *title;
	int sort; /* enum hot_sort, HOT_SORT_CNT: cannot be sorted by */
	int at_least, width, weight;
} columns[COLUMN_CNT] = {
	[COLUMN_SELF] = {"self %", HOT_SORT_SELF, 16, 7, 0},
	[COLUMN_TOTAL] = {"total %", HOT_SORT_TOTAL, 56, 8, 0},
	[COLUMN_BAR] = {"", HOT_SORT_CNT, 140, 12, 0},
	[COLUMN_FUNCTION] = {"function", HOT_SORT_FUNCTION, 0, 0, 5},
	[COLUMN_PLACE] = {"file:line", HOT_SORT_CNT, 72, 0, 4},
	[COLUMN_PROCESS] = {"process", HOT_SORT_PROCESS, 28, 0, 3},
};

static const char *column_title(const struct table *t, enum column column)
{
	return column == COLUMN_PROCESS ? per_word(t->per) : columns[column].title;
}

static const char *row_text(const struct table_row *row, enum column column)
{
	switch (column) {
	case COLUMN_FUNCTION:
		return row->function;
	case COLUMN_PLACE:
		return row->place;
	case COLUMN_PROCESS:
		return row->process;
	default:
		return "";
	}
}

/* What the column's text needs, in steps, so that columns do not jump about with every refresh. */
static int column_need(const struct table *t, size_t cnt, enum column column)
{
	int need = cells_width(column_title(t, column)) + 2;

	for (size_t i = 0; i < cnt && i < t->cnt; i++) {
		int width = cells_width(row_text(&t->rows[i], column));
		if (width > need)
			need = width;
	}
	return (need + 7) / 8 * 8;
}

/* Widths of all columns, 0 for those that are not shown. */
static void columns_lay_out(const struct table *t, size_t cnt, int width, int ret[COLUMN_CNT])
{
	int need[COLUMN_CNT] = {0};
	int weights = 0, left = width + COLUMN_GAP;

	for (int c = 0; c < COLUMN_CNT; c++) {
		ret[c] = 0;
		if (width < columns[c].at_least)
			continue;
		left -= COLUMN_GAP + columns[c].width;
		ret[c] = columns[c].width;
		weights += columns[c].weight;
		if (columns[c].weight)
			need[c] = column_need(t, cnt, c);
	}

	/* Each round serves those whose fair share is enough; what they leave is for the others. */
	for (bool again = true; again;) {
		again = false;
		for (int c = 0; c < COLUMN_CNT; c++) {
			if (!need[c] || need[c] > left * columns[c].weight / weights)
				continue;
			ret[c] = need[c];
			left -= need[c];
			weights -= columns[c].weight;
			need[c] = 0;
			again = weights > 0;
		}
	}
	for (int c = 0; c < COLUMN_CNT; c++) {
		if (!need[c])
			continue;
		ret[c] = left * columns[c].weight / weights;
		left -= ret[c];
		weights -= columns[c].weight;
	}
}

/* As wide as the window: the bar above the table. */
static void put_header(struct strbuf *b, const struct table *t, const int widths[COLUMN_CNT], int width)
{
	const char *gap = "";

	for (int c = 0; c < COLUMN_CNT; c++) {
		char title[32];

		if (!widths[c])
			continue;
		snprintf(title, sizeof(title), "%s%s", column_title(t, c), columns[c].sort == (int)t->sort ? "▼" : "");
		strbuf_put(b, gap);
		if (columns[c].weight)
			cells_put_left(b, title, widths[c], ELIDE_MIDDLE);
		else
			cells_put_right(b, title, widths[c]);
		width -= (int)strlen(gap) + widths[c];
		gap = "  ";
	}
	cells_put_blanks(b, width);
}

static double row_share(const struct table *t, const struct table_row *row, enum column column)
{
	u64 samples = column == COLUMN_TOTAL ? row->total : row->self;

	return t->samples ? (double)samples / t->samples : 0;
}

static enum style cell_style(const struct table_row *row, enum column column)
{
	switch (column) {
	case COLUMN_BAR:
		return STYLE_BAR;
	case COLUMN_FUNCTION:
		return STYLE_KIND + row->kind;
	case COLUMN_PLACE:
		return STYLE_PLACE;
	case COLUMN_PROCESS:
		return STYLE_PROCESS;
	default:
		return STYLE_NUMBER;
	}
}

static void put_cell(struct strbuf *b, const struct table *t, const struct table_row *row, enum column column,
		     int width)
{
	char number[16];

	switch (column) {
	case COLUMN_SELF:
	case COLUMN_TOTAL:
		snprintf(number, sizeof(number), "%.1f", 100 * row_share(t, row, column));
		cells_put_right(b, number, width);
		break;
	case COLUMN_BAR:
		cells_put_bar(b, row_share(t, row, COLUMN_SELF), width);
		break;
	default:
		cells_put_left(b, row_text(row, column), width, column == COLUMN_PLACE ? ELIDE_PATH : ELIDE_MIDDLE);
	}
}

static void put_row(struct strbuf *b, const struct table *t, const struct table_row *row, const int widths[COLUMN_CNT],
		    enum palette palette)
{
	const char *gap = "";

	for (int c = 0; c < COLUMN_CNT; c++) {
		if (!widths[c])
			continue;
		enum style style = cell_style(row, c);
		strbuf_put(b, gap);
		style_begin(b, style, palette);
		put_cell(b, t, row, c, widths[c]);
		style_end(b, style, palette);
		gap = "  ";
	}
}

/* ---- the whole window ---- */

static void put_keys(struct strbuf *b, const struct table *t, int width, enum palette palette)
{
	const char *const sorts[HOT_SORT_CNT] = {
		[HOT_SORT_SELF] = "self %",
		[HOT_SORT_TOTAL] = "total %",
		[HOT_SORT_FUNCTION] = "function",
		[HOT_SORT_PROCESS] = per_word(t->per),
	};
	STRBUF(text);
	int used = 0;

	if (t->paused) {
		style_begin(b, STYLE_ALARM, palette);
		used = cells_put(b, "PAUSED  ", width, ELIDE_MIDDLE);
		style_end(b, STYLE_ALARM, palette);
	}
	strbuf_printf(&text, "q quit  p %s  s sort (by %s)", t->paused ? "go on" : "pause", sorts[t->sort]);
	if (cells_width(text.at) > width - used) {
		strbuf_clear(&text);
		strbuf_printf(&text, "q quit  p %s  s sort", t->paused ? "go on" : "pause");
	}
	style_begin(b, STYLE_KEYS, palette);
	cells_put(b, text.at, width - used, ELIDE_MIDDLE);
	style_end(b, STYLE_KEYS, palette);
}

static void put_status(struct strbuf *b, const struct table *t, const struct table_shape *shape)
{
	enum style style = t->status.lost ? STYLE_ALARM : STYLE_STATUS;

	style_begin(b, style, shape->palette);
	status_put(&t->status, shape->columns, b);
	style_end(b, style, shape->palette);
}

/* The header and cnt rows, each behind a newline. */
static void put_rows(struct strbuf *b, const struct table *t, const struct table_shape *shape, int cnt)
{
	int widths[COLUMN_CNT];

	columns_lay_out(t, cnt, shape->columns, widths);
	strbuf_put_char(b, '\n');
	style_begin(b, STYLE_HEADER, shape->palette);
	put_header(b, t, widths, shape->columns);
	style_end(b, STYLE_HEADER, shape->palette);
	for (int i = 0; i < cnt; i++) {
		strbuf_put_char(b, '\n');
		if (i < (int)t->cnt)
			put_row(b, t, &t->rows[i], widths, shape->palette);
	}
}

void table_put(const struct table *t, const struct table_shape *shape, struct strbuf *b)
{
	/* The sentence always, then rows, then the keys, then the status. */
	bool keys = shape->lines >= 4, status = shape->lines >= 5;
	int rows = shape->lines - 2 - keys - status;

	if (shape->lines < 1 || shape->columns < 1)
		return;
	style_begin(b, STYLE_SENTENCE, shape->palette);
	table_put_sentence(t, shape->columns, b);
	style_end(b, STYLE_SENTENCE, shape->palette);
	if (status) {
		strbuf_put_char(b, '\n');
		put_status(b, t, shape);
	}
	if (rows >= 0)
		put_rows(b, t, shape, rows);
	if (keys) {
		strbuf_put_char(b, '\n');
		put_keys(b, t, shape->columns, shape->palette);
	}
}

/* ---- filling and sorting ---- */

void table_clear(struct table *t)
{
	for (size_t i = 0; i < t->cnt; i++) {
		free(t->rows[i].function);
		free(t->rows[i].place);
		free(t->rows[i].process);
	}
	for (size_t i = 0; i < t->process_cnt; i++) {
		free(t->processes[i].process);
		free(t->processes[i].function);
		free(t->processes[i].place);
	}
	t->cnt = t->process_cnt = 0;
}

static int compare_u64_descending(u64 a, u64 b)
{
	return (a < b) - (a > b);
}

static int compare_rows(const void *a_, const void *b_, void *sort_)
{
	const struct table_row *a = a_, *b = b_;
	const enum hot_sort *sort = sort_;
	int order = 0;

	if (*sort == HOT_SORT_TOTAL)
		order = compare_u64_descending(a->total, b->total);
	else if (*sort == HOT_SORT_FUNCTION)
		order = strcmp(a->function, b->function);
	else if (*sort == HOT_SORT_PROCESS)
		order = strcmp(a->process, b->process);
	if (!order)
		order = compare_u64_descending(a->self, b->self);
	if (!order)
		order = compare_u64_descending(a->total, b->total);
	return order ? order : strcmp(a->function, b->function);
}

void table_sort(struct table *t, enum hot_sort sort)
{
	t->sort = sort;
	qsort_r(t->rows, t->cnt, sizeof(t->rows[0]), compare_rows, &sort);
}
