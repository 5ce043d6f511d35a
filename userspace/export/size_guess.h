/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * size_guess.h - about how large the pprof of some stacks of a profile is, unpacked, without writing it: so that a profile
 * can be cut where its pieces fit. Takes time for these stacks alone, however large the tables are.
 */
#ifndef PYPROF_SIZE_GUESS_H
#define PYPROF_SIZE_GUESS_H

#include <stddef.h>

#include "profile/profile.h"

struct size_guess {
	size_t size; /* bytes of those added since the last beginning */

	/* rest is for size_guess.c */
	const struct profile_tables *tables; /* borrowed; they must not grow meanwhile */
	u32 *frames, *strings; /* by id: the round in which it was last seen */
	u32 round, frame_cnt;
};

int size_guess_init(struct size_guess *guess, const struct profile_tables *tables);
void size_guess_deinit(struct size_guess *guess);

/* Of nothing yet. */
void size_guess_begin(struct size_guess *guess);
/* One sample with this stack. */
void size_guess_add(struct size_guess *guess, u32 stack);

#endif
