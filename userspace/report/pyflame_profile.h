/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pyflame_profile.h - snapshots counted as Pyflame counts its samples: by stack, with
 * those who sleep, and in its two formats.
 *
 *	(idle) N			no thread had the GIL (without `threads`)
 *	(failed) N			one had it, and its stack could not be read
 *	FILE:FUNCTION:LINE;... N	outermost first
 *
 * or, with `chart`, for each stack of each snapshot two lines, written at once: the
 * microseconds since the epoch, then its frames with a `;` behind each.
 */
#ifndef PYPROF_PYFLAME_PROFILE_H
#define PYPROF_PYFLAME_PROFILE_H

#include <stdio.h>

#include "base/cleanup.h"
#include "dump/snapshot.h"

struct pyflame_options {
	bool threads; /* every thread, else who has the GIL (in a free-threaded build: who runs) */
	bool exclude_idle;
	bool no_lines;
	bool chart;
};

struct pyflame_profile;

/* out is borrowed. A chart is written to it on the way, counts at the end. */
int pyflame_profile_new(const struct pyflame_options *options, FILE *out, struct pyflame_profile **ret);
void pyflame_profile_free(struct pyflame_profile *profile);
DEFINE_CLEANUP(pyflame_profile, struct pyflame_profile *, pyflame_profile_free)

/* -ENOMEM, or -errno of the stream. */
int pyflame_profile_add(struct pyflame_profile *profile, const struct snapshot *snapshot, u64 realtime_us);
/* What was counted, each stack once. */
int pyflame_profile_write(struct pyflame_profile *profile);

#endif
