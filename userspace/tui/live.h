/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * live.h - the live view: a profile as a table on the terminal, with keys.
 *
 *	live_open(&options, &live);
 *	each second:            live_set_span(live, seconds); live_draw(live, profile, truth);
 *	live_fd is readable:    live_key(live, &quit);
 *	live_close(live);
 *
 * Resizing needs no call: each draw asks for the size. Nothing else may write to
 * the terminal meanwhile, a status line least of all.
 */
#ifndef PYPROF_LIVE_H
#define PYPROF_LIVE_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "profile/profile.h"

struct live;

struct live_options {
	struct view view; /* lines, pids */
	bool whole_host; /* --all: CPUs can be called busy or idle */
};

/* -ENOTTY: stdout is no terminal. */
int live_open(const struct live_options *options, struct live **ret);
/* Puts the terminal back. NULL is fine. */
void live_close(struct live *live);
DEFINE_CLEANUP(live, struct live *, live_close)

/*
 * How many seconds the profiles to be drawn from now on span, when that is not the
 * whole run that the truth speaks of: shares of a CPU are reckoned by it. 0: the whole run.
 */
void live_set_span(struct live *live, double seconds);

/*
 * Shows the profile, whose frames are named (those that are not show as their
 * address). Paused, it only notes the truth and shows what was there.
 * -EIO: the terminal is gone. Keeps no reference.
 */
int live_draw(struct live *live, const struct profile *profile, const struct truth *truth);

/* To poll for POLLIN; -1 when there are no keys. */
int live_fd(const struct live *live);

/* Does what the waiting keys say: q quits, p pauses, s sorts. *ret_quit is set when the person wants to leave. */
int live_key(struct live *live, bool *ret_quit);

bool live_paused(const struct live *live);

#endif
