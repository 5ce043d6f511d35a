/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* dump_explain.h - why there is no dump, in one line on stderr that says what to do. */
#ifndef PYPROF_DUMP_EXPLAIN_H
#define PYPROF_DUMP_EXPLAIN_H

#include <stdbool.h>

#include "dump/snapshot.h"

/* What dumper_take() answered, with the snapshot that it gave. */
void dump_explain(u32 pid, int err, const struct snapshot *snapshot);
/* What thread_capture_open() answered. */
void dump_explain_capture(int err, const char *step);
/* True, and said, when there is no such process. */
bool dump_explain_if_none(u32 pid);
/* Of a snapshot that was taken: that it lacks the stacks of some threads, or with must that it has no Python threads. */
void dump_explain_missing(const struct snapshot *snapshot, bool must);

#endif
