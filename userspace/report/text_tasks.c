/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "report/text_tasks.h"

#include <inttypes.h>

#include "report/task_tree.h"
#include "report/text_stack.h"
#include "report/text_style.h"
#include "report/thread_words.h"

static void task_put(const struct dump_task *task, const struct task_row *row, const struct dump_view *view,
		     struct strbuf *b)
{
	style_begin(view, STYLE_HEAD, b);
	clean_put(task->name, b);
	style_end(view, b);
	if (row->again)
		strbuf_put(b, ": see above");
	else
		strbuf_printf(b, ": %s", task->state ? task->state : "?");
	strbuf_put_char(b, '\n');
}

static void cut_put(const struct task_row *rows, size_t row, bool has_children, struct strbuf *b)
{
	strbuf_put(b, "    ");
	task_tree_indent_more(rows, row, has_children, b);
	strbuf_put(b, "[its innermost coroutines are left out: there are too many]\n");
}

static void task_frames_put(const struct dump_task *task, const struct task_row *rows, size_t row, bool has_children,
			    const struct dump_view *view, struct strbuf *b)
{
	if (task->cut && view->leaf_first)
		cut_put(rows, row, has_children, b);
	for (size_t i = 0; i < task->frame_cnt; i++) {
		size_t at = view->leaf_first ? i : task->frame_cnt - 1 - i;

		strbuf_put(b, "    ");
		task_tree_indent_more(rows, row, has_children, b);
		frame_line_put(&task->frames[at], view, b);
		strbuf_put_char(b, '\n');
	}
	if (task->cut && !view->leaf_first)
		cut_put(rows, row, has_children, b);
}

/* The thread that runs a loop, by its ident. */
static void loop_put(const struct snapshot *snapshot, const struct dump_task *task, struct strbuf *b)
{
	strbuf_put(b, "Tasks of ");
	for (size_t i = 0; task->loop_ident && i < snapshot->thread_cnt; i++) {
		const struct dump_thread *thread = &snapshot->threads[i];

		if (thread->ident != task->loop_ident || thread->interpreter != task->interpreter)
			continue;
		strbuf_printf(b, "thread %u ", thread->tid);
		thread_name_put(thread, b);
		strbuf_put_char(b, '\n');
		return;
	}
	strbuf_put(b, "asyncio, whose event loop does not run\n");
}

static void missing_put(enum tasks_read read, struct strbuf *b)
{
	if (read == TASKS_SOME)
		strbuf_put(b, "\nTasks of asyncio may be missing: they came and went too fast, are too many or could "
			      "not be read.\n");
	else if (read == TASKS_UNSUPPORTED)
		strbuf_put(b, "\nTasks of asyncio are not known of this CPython: they are of 3.11 and later.\n");
}

int text_tasks_put(const struct snapshot *snapshot, const struct dump_view *view, struct strbuf *b)
{
	_cleanup_(free) struct task_row *rows = NULL;
	size_t cnt;
	int err = task_tree_order(snapshot->tasks, snapshot->task_cnt, &rows, &cnt);

	const struct dump_task *before = NULL;
	for (size_t i = 0; !err && i < cnt; i++) {
		const struct dump_task *task = &snapshot->tasks[rows[i].task];

		if (!rows[i].depth &&
		    (!before || before->loop_ident != task->loop_ident || before->interpreter != task->interpreter)) {
			strbuf_put_char(b, '\n');
			loop_put(snapshot, task, b);
			before = task;
		}
		strbuf_put(b, "    ");
		task_tree_indent(rows, i, b);
		task_put(task, &rows[i], view, b);
		if (!rows[i].again)
			task_frames_put(task, rows, i, i + 1 < cnt && rows[i + 1].parent == i, view, b);
	}
	if (!err)
		missing_put(snapshot->tasks_read, b);
	return err;
}
