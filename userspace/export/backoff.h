/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * backoff.h - how long to wait before what failed is tried again. Pure: the caller brings chance.
 *
 * Exponential with full jitter: any time up to a ceiling that doubles with each failure in a row.
 * A fleet whose engine went away must not come back to it in step: waiting times that only
 * vary a little keep the herd together (M. Brooker, "Exponential Backoff And Jitter").
 */
#ifndef PYPROF_BACKOFF_H
#define PYPROF_BACKOFF_H

#include "pyprof/types.h"

struct backoff_limits {
	u32 first_ms; /* the first ceiling */
	u32 most_ms; /* the last one */
	u32 asked_most_ms; /* what a Retry-After may ask for: a mistaken one must not silence a fleet */
};

struct backoff {
	u32 failures; /* in a row */
};

/* chance: 64 random bits. One failure more: how long to wait. asked_ms: what Retry-After said, 0: nothing. */
u64 backoff_next_ns(struct backoff *backoff, const struct backoff_limits *limits, u64 asked_ms, u64 chance);
/* Nothing will change soon: near the last ceiling at once. */
u64 backoff_long_ns(struct backoff *backoff, const struct backoff_limits *limits, u64 chance);
void backoff_reset(struct backoff *backoff);

#endif
