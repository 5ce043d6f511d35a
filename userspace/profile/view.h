/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* view.h - how a person wants frames and roots written, and those as text (--no-lines, --no-pid, --threads). */
#ifndef PYPROF_VIEW_H
#define PYPROF_VIEW_H

#include <stdbool.h>

struct frame;
struct origin;
struct profile;
struct profile_tables;
struct strbuf;

/* What stands at the root of stacks (--per). */
enum per {
	PER_PROCESS, /* python3 (10) */
	PER_CONTAINER, /* web, and under it its processes */
	PER_THREAD, /* python3 (10), worker (12) */
	PER_COMM, /* python3: all of that name are one */
	PER_CNT
};

const char *per_word(enum per per); /* "container" */
int per_find(const char *word, enum per *ret); /* -ENOENT */

struct view {
	bool lines, pids, threads;
	enum per per; /* PER_THREAD comes with threads, PER_COMM without pids */
};

/* Which native frames of threads that run Python a stack shows (--native). Those of other threads are always shown. */
enum native_frames {
	NATIVE_EXTENSIONS, /* those inside of Python frames that are not the interpreter's own */
	NATIVE_ALL,
	NATIVE_NONE,
};

/* All text is visible (base/visible.h). */
/* "COMM (PID)" and "COMM (TID)"; without pids just "COMM". A name that is empty is "?". */
void origin_put_process(const struct profile *profile, const struct origin *origin, const struct view *view,
			struct strbuf *b);
void origin_put_thread(const struct profile *profile, const struct origin *origin, struct strbuf *b);
/* What people call its container or unit; "host" where it is in none. */
void origin_put_place(const struct profile *profile, const struct origin *origin, struct strbuf *b);
/*
 * QUALNAME (FILE:LINE), SYMBOL (libfoo.so.1), SYMBOL_[k], [unknown: REASON], [unmerged]. LINE
 * is ? when unknown; QUALNAME (FILE) without lines. A frame that nobody named is its address.
 */
void frame_put(const struct profile_tables *tables, const struct frame *frame, const struct view *view,
	       struct strbuf *b);
/* A loss or a mark: what stands in brackets, which is no code. */
bool frame_is_bracketed(const struct frame *frame);
/* From its text, brackets included; only kind, loss and mark are filled. -ENOENT: it says nothing of ours. */
int frame_of_brackets(const char *text, struct frame *ret);
/* Of one that is: what it means. */
const char *frame_sentence(const struct frame *frame);

#endif
