/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "report/dump_format.h"
#include "report/text_stack.h"
#include "report/text_style.h"
#include "report/thread_words.h"

#define CELL_SIZE_MAX 60 /* bytes of a cell; the end of a longer one is kept, which says more */

typedef char overview_cell[CELL_SIZE_MAX + sizeof("...")];

/* Who holds the GIL or had it, else the main thread, else the first: whom one would ask first. */
static const struct dump_thread *speaker(const struct snapshot *snapshot)
{
	const struct dump_thread *main_thread = NULL;

	for (size_t i = 0; i < snapshot->thread_cnt; i++) {
		if (dump_thread_has_star(&snapshot->threads[i]))
			return &snapshot->threads[i];
		if (snapshot->threads[i].is_main && !main_thread)
			main_thread = &snapshot->threads[i];
	}
	return main_thread ? main_thread : snapshot->thread_cnt ? &snapshot->threads[0] : NULL;
}

static void pid_put(const struct snapshot *snapshot, const struct dump_thread *thread, struct strbuf *b)
{
	strbuf_printf(b, "%u", snapshot->pid);
}

static void version_put(const struct snapshot *snapshot, const struct dump_thread *thread, struct strbuf *b)
{
	if (snapshot->version)
		python_version_put(snapshot->version, b);
	if (snapshot->free_threaded)
		strbuf_put_char(b, 't');
}

static void threads_put(const struct snapshot *snapshot, const struct dump_thread *thread, struct strbuf *b)
{
	size_t cnt = 0;

	for (size_t i = 0; i < snapshot->thread_cnt; i++)
		cnt += snapshot->threads[i].state != 0;
	strbuf_printf(b, "%zu", cnt);
}

static void where_put(const struct snapshot *snapshot, const struct dump_thread *thread, struct strbuf *b)
{
	static const char *const phases[] = {[PYTHON_UNSUPPORTED] = "not supported",
					     [PYTHON_STARTING] = "starting",
					     [PYTHON_FINALIZING] = "finalizing"};
	const struct dump_view plain = {0};
	const struct error_words *error = error_words_find(snapshot);

	for (size_t i = 0; thread && i < thread->frame_cnt; i++)
		if (thread->frames[i].kind == FRAME_PYTHON)
			return frame_line_put(&thread->frames[i], &plain, b);
	if (error && !error->phase_says)
		strbuf_put(b, error->name);
	else if (snapshot->phase < sizeof(phases) / sizeof(phases[0]) && phases[snapshot->phase])
		strbuf_put(b, phases[snapshot->phase]);
	else
		strbuf_put(b, error ? error->name : "-");
}

/* "...end" of a long text; a character is not cut in two. */
static void cell_set(const struct strbuf *text, overview_cell cell)
{
	size_t from = text->size > CELL_SIZE_MAX ? text->size - CELL_SIZE_MAX : 0;

	while (from && (text->at[from] & 0xc0) == 0x80)
		from++;
	snprintf(cell, sizeof(overview_cell), "%s%s", from ? "..." : "", text->at + from);
}

static void gil_put(const struct snapshot *snapshot, const struct dump_thread *thread, struct strbuf *b)
{
	if (!thread)
		strbuf_put_char(b, '-');
	else if (dump_thread_has_star(thread))
		thread_name_put(thread, b);
	else
		strbuf_put(b, snapshot->free_threaded ? "none" : "free");
}

static void cgroup_put(const struct snapshot *snapshot, const struct dump_thread *thread, struct strbuf *b)
{
	clean_put(snapshot->cgroup && *snapshot->cgroup ? snapshot->cgroup : "-", b);
}

static const struct {
	const char *head;
	bool number;
	/* thread: the speaker; NULL when there is none */
	void (*put)(const struct snapshot *snapshot, const struct dump_thread *thread, struct strbuf *b);
} columns[] = {
	{"PID", true, pid_put},	 {"PYTHON", false, version_put}, {"THREADS", true, threads_put},
	{"GIL", false, gil_put}, {"WHERE", false, where_put},	 {"CGROUP", false, cgroup_put},
};

#define COLUMN_CNT (sizeof(columns) / sizeof(columns[0]))

typedef overview_cell overview_row[COLUMN_CNT];

static void row_fill(const struct snapshot *snapshot, overview_row row)
{
	for (size_t i = 0; i < COLUMN_CNT; i++) {
		STRBUF(text);

		columns[i].put(snapshot, speaker(snapshot), &text);
		cell_set(&text, row[i]);
	}
}

/* Characters, as good as columns of a terminal for what stands in such tables. */
static size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

static void row_put(overview_row row, const size_t widths[COLUMN_CNT], struct strbuf *b)
{
	for (size_t i = 0; i < COLUMN_CNT; i++) {
		int blanks = (int)(widths[i] - text_width(row[i]));

		if (columns[i].number)
			strbuf_printf(b, "%*s%s", blanks, "", row[i]);
		else if (i + 1 < COLUMN_CNT)
			strbuf_printf(b, "%s%*s", row[i], blanks, "");
		else
			strbuf_put(b, row[i]);
		if (i + 1 < COLUMN_CNT)
			strbuf_put(b, "  ");
	}
}

int overview_put(const struct snapshot *const *snapshots, size_t cnt, const struct dump_view *view, struct strbuf *b)
{
	_cleanup_(free) overview_row *rows = calloc(cnt + 1, sizeof(*rows));
	size_t widths[COLUMN_CNT] = {0};
	if (!rows)
		return -ENOMEM;

	for (size_t i = 0; i < COLUMN_CNT; i++)
		snprintf(rows[0][i], sizeof(rows[0][i]), "%s", columns[i].head);
	for (size_t i = 0; i < cnt; i++)
		row_fill(snapshots[i], rows[i + 1]);
	for (size_t row = 0; row <= cnt; row++)
		for (size_t i = 0; i < COLUMN_CNT; i++)
			if (text_width(rows[row][i]) > widths[i])
				widths[i] = text_width(rows[row][i]);

	style_begin(view, STYLE_HEAD, b);
	row_put(rows[0], widths, b);
	style_end(view, b);
	strbuf_put_char(b, '\n');
	for (size_t i = 0; i < cnt; i++) {
		row_put(rows[i + 1], widths, b);
		strbuf_put_char(b, '\n');
	}
	return b->failed ? -ENOMEM : 0;
}
