/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "report/dump_format.h"

#include <errno.h>
#include <inttypes.h>

#include "report/thread_words.h"

void pyflame_frame_put(const struct dump_frame *frame, bool no_line, struct strbuf *b)
{
	clean_put(frame->file, b);
	strbuf_put_char(b, ':');
	clean_put(frame->function, b);
	if (!no_line)
		strbuf_printf(b, ":%u", frame->line);
}

static void thread_put(const struct dump_thread *thread, struct strbuf *b)
{
	strbuf_printf(b, "%" PRIu64 "%s:\n", (uint64_t)thread->ident, dump_thread_has_star(thread) ? "*" : "");
	for (size_t i = 0; i < thread->frame_cnt; i++) {
		const struct dump_frame *frame = &thread->frames[i];

		if (frame->kind != FRAME_PYTHON)
			continue;
		pyflame_frame_put(frame, false, b);
		strbuf_put_char(b, '\n');
	}
}

int pyflame_format_put(const struct snapshot *const *snapshots, size_t cnt, const struct dump_view *view,
		       struct strbuf *b)
{
	for (size_t i = 0; i < cnt; i++) {
		for (size_t j = 0; j < snapshots[i]->thread_cnt; j++) {
			const struct dump_thread *thread = &snapshots[i]->threads[j];

			if (!thread->python_cnt)
				continue;
			if (b->size)
				strbuf_put_char(b, '\n');
			thread_put(thread, b);
		}
	}
	return b->failed ? -ENOMEM : 0;
}
