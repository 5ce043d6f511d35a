/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * placement.h - which native frame executed which run of Python frames: the one
 * whose part of the stack holds the run's anchor (include/pyprof/record.h). Goes
 * along with a walk, innermost frame first. Pure.
 *
 * To 3.9 a run is a frame and has no anchor: the nth belongs to the nth activation
 * of the eval loop, which is known by its code.
 */
#ifndef PYPROF_PLACEMENT_H
#define PYPROF_PLACEMENT_H

#include <stdbool.h>

#include "pyprof/python_abi.h"
#include "pyprof/types.h"

struct placement {
	const u64 *anchors; /* of the runs, innermost first; 0: needs no place; borrowed */
	u32 cnt;
	u32 next; /* the first that has no place yet */
	bool missed; /* one lies in no frame, or two lie in one */
	const struct python_layout *counted; /* whose eval loop is known by its code; NULL: there are anchors */
	u64 runtime; /* what its ranges are relative to */
	bool is_cut; /* there are more runs, outward of these */
};

/* The next frame of the walk, [sp, cfa), which executes pc: true when a run belongs to it. */
bool placement_frame(struct placement *placement, u64 pc, u64 sp, u64 cfa);

/*
 * After the walk, over its words: an activation that is about to begin or to end has
 * no frame, and where they are counted it took the place of the first one.
 */
void placement_settle(struct placement *placement, u64 *words, u32 cnt);

/* Has every run its place? complete: it came to the thread's first frame; else the rest lies outward. */
bool placement_is_merged(const struct placement *placement, bool complete);

#endif
