/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * placement.h - which native frame executed which run of Python frames: the one
 * whose part of the stack holds the run's anchor (include/pyprof/record.h). Goes
 * along with a walk, innermost frame first. Pure.
 */
#ifndef PYPROF_PLACEMENT_H
#define PYPROF_PLACEMENT_H

#include <stdbool.h>

#include "pyprof/types.h"

struct placement {
	const u64 *anchors; /* of the runs, innermost first; 0: needs no place; borrowed */
	u32 cnt;
	u32 next; /* the first that has no place yet */
	bool missed; /* one lies in no frame, or two lie in one */
};

/* The next frame of the walk, [sp, cfa): true when a run belongs to it. */
bool placement_frame(struct placement *placement, u64 sp, u64 cfa);

/* After the walk: has every run its place? complete: it came to the thread's first frame; else the rest lies outward. */
bool placement_is_merged(const struct placement *placement, bool complete);

#endif
