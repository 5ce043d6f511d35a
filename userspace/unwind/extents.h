/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * extents.h - which parts of an array are taken. What is given back rests for a
 * while before it is given out again: a walk in the kernel may still be reading it.
 * Pure: knows numbers only. First fit.
 */
#ifndef PYPROF_EXTENTS_H
#define PYPROF_EXTENTS_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "pyprof/types.h"

struct extents;

struct extent {
	u32 first, cnt;
};

/* total elements. An extent never crosses a multiple of block (0: may lie anywhere). */
int extents_new(u32 total, u32 block, struct extents **ret);
void extents_free(struct extents *extents);
DEFINE_CLEANUP(extents, struct extents *, extents_free)

/* -ENOSPC: no such part is free now; some may rest (extents_resting). cnt is 1 at least. */
int extents_take(struct extents *extents, u32 cnt, struct extent *ret);
/* Gives back what was taken. It is free again after extents_settle with a now_ns at least REST_NS later. */
int extents_leave(struct extents *extents, struct extent extent, u64 now_ns);
void extents_settle(struct extents *extents, u64 now_ns);
u32 extents_resting(const struct extents *extents);
u32 extents_free_cnt(const struct extents *extents); /* elements, without those at rest */

#define REST_NS \
	1000000000ull /* a walk ends within half a millisecond, and a copied row names its extent until it is replaced */

#endif
