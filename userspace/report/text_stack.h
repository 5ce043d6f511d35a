/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* text_stack.h - frames as lines for people. */
#ifndef PYPROF_TEXT_STACK_H
#define PYPROF_TEXT_STACK_H

#include "report/dump_format.h"

/* "worker (/srv/app.py:12)", "[C] poll (libc.so.6)", "[kernel] do_poll", "[truncated: REASON]" */
void frame_line_put(const struct dump_frame *frame, const struct dump_view *view, struct strbuf *b);
/* A thread's frames, indented, with their locals below them. Returns how many were left out. */
size_t stack_put(const struct dump_thread *thread, const struct dump_view *view, struct strbuf *b);

#endif
