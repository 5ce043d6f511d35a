/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* status.h - how the profiler itself is doing, in one line. Pure. */
#ifndef PYPROF_STATUS_H
#define PYPROF_STATUS_H

#include "pyprof/types.h"

struct strbuf;
struct truth;

struct status {
	double samples_per_s;
	u32 processes, python_processes;
	u64 samples, lost; /* since the profile began */
	double own_cpus; /* what the profiler costs, kernel side included: 0.01 is one per cent of one CPU */
};

/*
 * Rates between two truths of one profile; before may be NULL, or belong to an
 * earlier profile: then they are since the profile began.
 */
void status_of(const struct truth *now, const struct truth *before, struct status *ret);

/* At most columns cells, no newline: in words where there is room, in brief where there is not. */
void status_put(const struct status *status, int columns, struct strbuf *b);

#endif
