/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "report/text_stack.h"

#include <string.h>

#include "report/text_style.h"
#include "report/thread_words.h"
#include "profile/losses.h"

#define VARIABLES_SHOWN 40 /* of one frame */

/*
 * How threads and programs start: the outermost frames of nearly every stack. The file
 * is told by how its name ends.
 */
static const struct start_frame {
	const char *file, *function;
} start_frames[] = {
	{"/threading.py", "_bootstrap"},	   {"/threading.py", "_bootstrap_inner"}, {"/threading.py", "run"},
	{"/threading.py", "__bootstrap"}, /* 2.7 */
	{"/threading.py", "__bootstrap_inner"},	   {"/runpy.py", "_run_module_as_main"},  {"/runpy.py", "_run_code"},
	{"<frozen runpy>", "_run_module_as_main"}, {"<frozen runpy>", "_run_code"},
};

static bool text_ends(const char *text, const char *end)
{
	size_t size = text ? strlen(text) : 0, end_size = strlen(end);

	return size >= end_size && !strcmp(text + size - end_size, end);
}

static bool is_start(const struct dump_frame *frame)
{
	if (frame->kind != FRAME_PYTHON)
		return false;
	for (size_t i = 0; i < sizeof(start_frames) / sizeof(start_frames[0]); i++)
		if (text_ends(frame->file, start_frames[i].file) && frame->function &&
		    !strcmp(frame->function, start_frames[i].function))
			return true;
	return false;
}

/* What stands between `import x` and x, by the dozen; tracebacks leave it out too. */
static bool is_import(const struct dump_frame *frame)
{
	static const char file[] = "<frozen importlib._bootstrap";

	return frame->kind == FRAME_PYTHON && frame->file && !strncmp(frame->file, file, sizeof(file) - 1);
}

void frame_line_put(const struct dump_frame *frame, const struct dump_view *view, struct strbuf *b)
{
	static const char *const marks[FRAME_KIND_CNT] = {[FRAME_NATIVE] = "[C] ", [FRAME_KERNEL] = "[kernel] "};
	bool python = frame->kind == FRAME_PYTHON;

	if (!python)
		style_begin(view, frame->kind == FRAME_LOSS ? STYLE_ALARM : STYLE_DIM, b);
	if (frame->kind < FRAME_KIND_CNT && marks[frame->kind])
		strbuf_put(b, marks[frame->kind]);
	clean_put(python && frame->qualname && *frame->qualname ? frame->qualname : frame->function, b);
	if (frame->file && *frame->file) {
		strbuf_put(b, " (");
		clean_put(frame->file, b);
		if (python && frame->line)
			strbuf_printf(b, ":%u", frame->line);
		else if (python)
			strbuf_put(b, ":?");
		strbuf_put_char(b, ')');
	}
	if (!python)
		style_end(view, b);
}

static void variables_put(const struct dump_frame *frame, const struct dump_view *view, struct strbuf *b)
{
	for (size_t i = 0; i < frame->variable_cnt && i < VARIABLES_SHOWN; i++) {
		strbuf_put(b, "        ");
		style_begin(view, STYLE_DIM, b);
		clean_put(frame->variables[i].name, b);
		style_end(view, b);
		strbuf_put(b, " = ");
		clean_put(frame->variables[i].value, b);
		strbuf_put_char(b, '\n');
	}
	if (frame->variable_cnt > VARIABLES_SHOWN)
		strbuf_printf(b, "        and %zu more\n", frame->variable_cnt - VARIABLES_SHOWN);
}

/* The innermost Python frame; 0 when there is none. */
static size_t innermost_python(const struct dump_thread *thread)
{
	for (size_t i = 0; i < thread->frame_cnt; i++)
		if (thread->frames[i].kind == FRAME_PYTHON)
			return i;
	return 0;
}

/* Without how it started; a thread that does nothing else keeps one Python frame of that. */
static size_t shown_cnt(const struct dump_thread *thread, const struct dump_view *view)
{
	size_t cnt = thread->frame_cnt, innermost = innermost_python(thread);

	while (!view->whole && cnt > innermost + 1 && is_start(&thread->frames[cnt - 1]))
		cnt--;
	return cnt;
}

/* Where the stack was cut, when no frame says so itself. */
static void cut_put(const struct dump_thread *thread, const struct dump_view *view, struct strbuf *b)
{
	for (size_t i = 0; i < thread->frame_cnt; i++)
		if (thread->frames[i].kind == FRAME_LOSS)
			return;
	if (thread->loss >= LOSS_CNT || !thread->frame_cnt)
		return;
	strbuf_put(b, "    ");
	style_begin(view, STYLE_ALARM, b);
	strbuf_printf(b, "[truncated: %s]", loss_reason(thread->loss));
	style_end(view, b);
	strbuf_put_char(b, '\n');
}

size_t stack_put(const struct dump_thread *thread, const struct dump_view *view, struct strbuf *b)
{
	size_t cnt = shown_cnt(thread, view), left_out = thread->frame_cnt - cnt, innermost = innermost_python(thread);

	if (!view->leaf_first)
		cut_put(thread, view, b);
	for (size_t i = 0; i < cnt; i++) {
		size_t at = view->leaf_first ? i : cnt - 1 - i;
		const struct dump_frame *frame = &thread->frames[at];

		/* Where the import machinery itself is what runs, that is news. */
		if (!view->whole && at != innermost && is_import(frame)) {
			left_out++;
			continue;
		}
		strbuf_put(b, "    ");
		frame_line_put(frame, view, b);
		strbuf_put_char(b, '\n');
		variables_put(frame, view, b);
	}
	if (view->leaf_first)
		cut_put(thread, view, b);
	return left_out;
}
