/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* text_tasks.h - the tasks of asyncio as a tree, for people. */
#ifndef PYPROF_TEXT_TASKS_H
#define PYPROF_TEXT_TASKS_H

#include "report/dump_format.h"

/* 0 or -ENOMEM. Nothing when there are none. */
int text_tasks_put(const struct snapshot *snapshot, const struct dump_view *view, struct strbuf *b);

#endif
