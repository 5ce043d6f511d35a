/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/backoff.h"

#include <stdint.h>

#include "base/clock.h"

/* Of the ceiling: chance must not say "at once" to a server in trouble. */
#define FLOOR_SHARE 8

static u64 between(u64 least, u64 most, u64 chance)
{
	return most > least ? least + chance % (most - least + 1) : least;
}

static u64 ceiling_ms(u32 failures, const struct backoff_limits *limits)
{
	u64 ceiling = limits->first_ms;

	for (u32 i = 1; i < failures && ceiling < limits->most_ms; i++)
		ceiling *= 2;
	return ceiling < limits->most_ms ? ceiling : limits->most_ms;
}

u64 backoff_next_ns(struct backoff *backoff, const struct backoff_limits *limits, u64 asked_ms, u64 chance)
{
	if (backoff->failures < UINT32_MAX)
		backoff->failures++;
	u64 ceiling = ceiling_ms(backoff->failures, limits) * NS_PER_MS;
	u64 jitter = between(ceiling / FLOOR_SHARE, ceiling, chance);
	if (asked_ms > limits->asked_most_ms)
		asked_ms = limits->asked_most_ms;
	/* All of a fleet were asked to wait as long: never less, and not all to the same instant. */
	u64 asked = asked_ms * NS_PER_MS + between(0, limits->first_ms * NS_PER_MS, chance);
	return asked_ms && asked > jitter ? asked : jitter;
}

u64 backoff_long_ns(struct backoff *backoff, const struct backoff_limits *limits, u64 chance)
{
	if (backoff->failures < UINT32_MAX)
		backoff->failures++;
	return between(limits->most_ms * NS_PER_MS / 2, limits->most_ms * NS_PER_MS, chance);
}

void backoff_reset(struct backoff *backoff)
{
	backoff->failures = 0;
}
