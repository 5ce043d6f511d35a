/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tui/live.h"

#include <errno.h>
#include <string.h>

#include "base/strbuf.h"
#include "profile/hot_list.h"
#include "profile/root.h"
#include "tui/screen.h"
#include "tui/status.h"
#include "tui/table.h"

struct live {
	struct live_options options;
	struct screen *screen;
	struct truth before; /* at the last draw, for rates */
	double span_s; /* of the profile; 0: of the whole run */
	struct table table;
};

int live_open(const struct live_options *options, struct live **ret)
{
	_cleanup_(free) struct live *live = calloc(1, sizeof(*live));
	if (!live)
		return -ENOMEM;
	live->options = *options;
	live->table.whole_host = options->whole_host;
	live->table.per = options->view.per;

	int err = screen_open(&live->screen);
	if (err)
		return err;
	*ret = take(live);
	return 0;
}

void live_close(struct live *live)
{
	if (!live)
		return;
	screen_close(live->screen);
	table_clear(&live->table);
	free(live);
}

void live_set_span(struct live *live, double seconds)
{
	live->span_s = seconds;
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static char *frame_function(const struct profile_tables *tables, const struct frame *frame)
{
	STRBUF(text);

	if (frame_is_bracketed(frame))
		frame_put(tables, frame, &(struct view){0}, &text);
	else if (frame->function == STRING_EMPTY)
		strbuf_printf(&text, "0x%llx", frame->address);
	else
		strbuf_put(&text, string_table_at(tables->strings, frame->function));
	return strbuf_take(&text);
}

/* brief: what is in brackets needs no explanation, a path no directories. */
static char *frame_place(const struct profile_tables *tables, const struct frame *frame, bool lines, bool brief)
{
	const char *file = string_table_at(tables->strings, frame->file);
	STRBUF(text);

	if (frame_is_bracketed(frame))
		strbuf_put(&text, brief ? "" : frame_sentence(frame));
	else if (frame->kind == FRAME_KERNEL)
		strbuf_put(&text, "kernel");
	else
		strbuf_put(&text, brief ? file_name(file) : file);
	if (frame->kind == FRAME_PYTHON && lines && frame->line)
		strbuf_printf(&text, ":%u", frame->line);
	else if (frame->kind == FRAME_PYTHON && lines)
		strbuf_put(&text, ":?");
	return strbuf_take(&text);
}

static char *process_text(const struct live *live, const struct profile *profile, u32 origin)
{
	STRBUF(text);

	origin_put_root(profile, profile_origin_at(profile, origin), &live->options.view, &text);
	return strbuf_take(&text);
}

/* Copies, because ids and strings may be gone when a paused table is drawn again. */
static int row_add(struct live *live, const struct profile *profile, const struct hot_row *hot)
{
	const struct profile_tables *tables = profile_tables_of(profile);
	const struct frame *frame = frame_table_get(tables->frames, hot->frame);
	struct table_row *row = &live->table.rows[live->table.cnt++];

	*row = (struct table_row){
		.kind = frame->kind,
		.self = hot->self,
		.total = hot->total,
		.function = frame_function(tables, frame),
		.place = frame_place(tables, frame, live->options.view.lines, false),
		.process = process_text(live, profile, hot->origin),
	};
	return row->function && row->place && row->process ? 0 : -ENOMEM;
}

static int process_add(struct live *live, const struct profile *profile, const struct hot_process *hot)
{
	const struct profile_tables *tables = profile_tables_of(profile);
	const struct frame *frame = frame_table_get(tables->frames, hot->hottest);
	struct table_process *process = &live->table.processes[live->table.process_cnt++];

	*process = (struct table_process){
		.samples = hot->samples,
		.process = process_text(live, profile, hot->origin),
		.function = frame_is_bracketed(frame) ? strdup("") : frame_function(tables, frame),
		.place = frame_place(tables, frame, live->options.view.lines, true),
	};
	return process->process && process->function && process->place ? 0 : -ENOMEM;
}

static int table_fill(struct live *live, const struct profile *profile, const struct hot_list *list,
		      const struct truth *truth)
{
	struct table *table = &live->table;
	int err = 0;

	table_clear(table);
	table->samples = list->samples;
	table->seconds = live->span_s > 0 ? live->span_s : truth->seconds;
	table->hz = truth->hz;
	table->cpus = truth->cpus;
	for (size_t i = 0; !err && i < list->cnt && i < TABLE_ROWS_MAX; i++)
		err = row_add(live, profile, &list->rows[i]);
	for (size_t i = 0; !err && i < list->process_cnt && i < TABLE_PROCESSES_MAX; i++)
		err = process_add(live, profile, &list->processes[i]);
	/* The drawing reads all of it: rather nothing than half a row. */
	if (err)
		table_clear(table);
	return err;
}

static int live_redraw(struct live *live)
{
	struct table_shape shape = screen_shape(live->screen);
	STRBUF(text);

	table_put(&live->table, &shape, &text);
	return text.failed ? -ENOMEM : screen_draw(live->screen, text.at);
}

int live_draw(struct live *live, const struct profile *profile, const struct truth *truth)
{
	status_of(truth, &live->before, &live->table.status);
	live->before = *truth;

	if (!live->table.paused) {
		struct hot_list list = {0};

		int err = hot_list_build(profile, &live->options.view, live->table.sort, &list);
		if (!err)
			err = table_fill(live, profile, &list, truth);
		hot_list_deinit(&list);
		if (err)
			return err;
	}
	return live_redraw(live);
}

int live_fd(const struct live *live)
{
	return screen_fd(live->screen);
}

int live_key(struct live *live, bool *ret_quit)
{
	struct table *table = &live->table;
	bool changed = false;
	int key;

	while ((key = screen_key(live->screen)) > 0) {
		if (key == 'q')
			*ret_quit = true;
		else if (key == 'p')
			table->paused = !table->paused;
		else if (key == 's')
			table_sort(table, (table->sort + 1) % HOT_SORT_CNT);
		changed |= key == 'p' || key == 's';
	}
	if (key < 0)
		return key;
	return changed ? live_redraw(live) : 0;
}

bool live_paused(const struct live *live)
{
	return live->table.paused;
}
