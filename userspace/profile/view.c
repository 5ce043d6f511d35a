/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/visible.h"
#include "profile/losses.h"
#include "profile/partition.h"
#include "profile/profile.h"

static const char *const per_words[PER_CNT] = {
	[PER_PROCESS] = "process", [PER_CONTAINER] = "container", [PER_THREAD] = "thread", [PER_COMM] = "comm"};

const char *per_word(enum per per)
{
	return per_words[per];
}

int per_find(const char *word, enum per *ret)
{
	for (int i = 0; i < PER_CNT; i++) {
		if (!strcmp(per_words[i], word)) {
			*ret = i;
			return 0;
		}
	}
	return -ENOENT;
}

/* An empty name would be an empty level, which readers of folded text drop. */
static void name_put(const struct string_table *strings, u32 id, struct strbuf *b)
{
	visible_put(b, id == STRING_EMPTY ? "?" : string_table_at(strings, id));
}

void origin_put_process(const struct profile *profile, const struct origin *origin, const struct view *view,
			struct strbuf *b)
{
	name_put(profile_tables_of(profile)->strings, origin->comm, b);
	if (view->pids)
		strbuf_printf(b, " (%u)", origin->pid);
}

void origin_put_thread(const struct profile *profile, const struct origin *origin, struct strbuf *b)
{
	name_put(profile_tables_of(profile)->strings, origin->thread_comm, b);
	strbuf_printf(b, " (%u)", origin->tid);
}

void origin_put_place(const struct profile *profile, const struct origin *origin, struct strbuf *b)
{
	visible_put(b, origin_place_name(profile_tables_of(profile), origin));
}

static void frame_put_python(const struct string_table *strings, const struct frame *frame, const struct view *view,
			     struct strbuf *b)
{
	name_put(strings, frame->function, b);
	strbuf_put(b, " (");
	name_put(strings, frame->file, b);
	if (view->lines && frame->line)
		strbuf_printf(b, ":%u", frame->line);
	else if (view->lines)
		strbuf_put(b, ":?");
	strbuf_put_char(b, ')');
}

static void frame_put_native(const struct string_table *strings, const struct frame *frame, struct strbuf *b)
{
	name_put(strings, frame->function, b);
	if (frame->file == STRING_EMPTY)
		return;
	strbuf_put(b, " (");
	name_put(strings, frame->file, b);
	strbuf_put_char(b, ')');
}

static const struct {
	const char *word, *sentence;
} marks[MARK_CNT] = {
	[MARK_UNMERGED] = {"unmerged", "Where these Python frames belong among the native ones is not known."},
	[MARK_GREENLET] = {"greenlet", "This greenlet begins here; the C stack further out is another's."},
};

bool frame_is_bracketed(const struct frame *frame)
{
	return frame->kind == FRAME_LOSS || frame->kind == FRAME_MARK;
}

int frame_of_brackets(const char *text, struct frame *ret)
{
	char reason[32], word[16] = "", end = 0;
	enum loss loss;

	if ((sscanf(text, "[unknown: %31[a-z-]%c", reason, &end) == 2 ||
	     sscanf(text, "[truncated: %31[a-z-]%c", reason, &end) == 2) &&
	    end == ']' && !loss_find(reason, &loss)) {
		*ret = (struct frame){.kind = FRAME_LOSS, .loss = loss};
		return 0;
	}
	sscanf(text, "[%15[a-z]]", word);
	for (int i = 0; i < MARK_CNT; i++) {
		if (!strcmp(word, marks[i].word)) {
			*ret = (struct frame){.kind = FRAME_MARK, .mark = i};
			return 0;
		}
	}
	return -ENOENT;
}

const char *frame_sentence(const struct frame *frame)
{
	return frame->kind == FRAME_MARK ? marks[frame->mark].sentence : loss_sentence(frame->loss);
}

void frame_put(const struct profile_tables *tables, const struct frame *frame, const struct view *view,
	       struct strbuf *b)
{
	switch (frame->kind) {
	case FRAME_LOSS:
		strbuf_printf(b, "[%s: %s]",
			      loss_effect(frame->loss) == LOSS_EFFECT_TRUNCATED ? "truncated" : "unknown",
			      loss_reason(frame->loss));
		return;
	case FRAME_MARK:
		strbuf_printf(b, "[%s]", marks[frame->mark].word);
		return;
	case FRAME_KERNEL:
		if (frame->named)
			name_put(tables->strings, frame->function, b);
		else
			strbuf_printf(b, "0x%llx", frame->address);
		strbuf_put(b, "_[k]");
		return;
	default:
		if (!frame->named)
			strbuf_printf(b, "0x%llx", frame->address);
		else if (frame->kind == FRAME_PYTHON)
			frame_put_python(tables->strings, frame, view, b);
		else
			frame_put_native(tables->strings, frame, b);
	}
}
