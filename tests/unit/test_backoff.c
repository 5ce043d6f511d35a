/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/backoff.h"

#include <criterion/criterion.h>
#include <stdint.h>

#include "base/clock.h"

static const struct backoff_limits limits = {.first_ms = 1000, .most_ms = 60000, .asked_most_ms = 600000};

#define MS(n) ((n)*NS_PER_MS)

/* Chance at its ends, and much between. */
static void expect_between(u32 failures, u64 asked_ms, u64 least, u64 most)
{
	for (u64 i = 0; i < 1000; i++) {
		struct backoff backoff = {.failures = failures - 1};
		u64 chance = i ? i * 0x9e3779b97f4a7c15 : UINT64_MAX;
		u64 wait = backoff_next_ns(&backoff, &limits, asked_ms, chance);
		cr_assert_geq(wait, least);
		cr_assert_leq(wait, most);
		cr_assert_eq(backoff.failures, failures);
	}
}

Test(backoff, the_ceiling_doubles_up_to_a_minute)
{
	expect_between(1, 0, MS(125), MS(1000));
	expect_between(2, 0, MS(250), MS(2000));
	expect_between(6, 0, MS(4000), MS(32000));
	expect_between(7, 0, MS(7500), MS(60000));
	expect_between(1000, 0, MS(7500), MS(60000));
}

Test(backoff, a_fleet_that_fails_at_once_comes_back_at_different_times)
{
	u32 tenths[10] = {0};

	for (u64 i = 0; i < 10000; i++) {
		struct backoff backoff = {.failures = 6};
		u64 wait = backoff_next_ns(&backoff, &limits, 0, i * 0x9e3779b97f4a7c15);
		tenths[(wait - MS(7500)) * 10 / (MS(52500) + 1)]++;
	}
	for (int i = 0; i < 10; i++)
		cr_expect(tenths[i] > 800 && tenths[i] < 1200, "%u of 10000 in tenth %d", tenths[i], i);
}

Test(backoff, what_a_server_asks_for_is_the_least_but_not_for_ever)
{
	expect_between(1, 30000, MS(30000), MS(31000));
	expect_between(1, 86400000, MS(600000), MS(601000));
	/* It asks for less than its trouble so far suggests. */
	expect_between(7, 1000, MS(1000), MS(60000));
}

Test(backoff, what_waits_for_a_person_knocks_seldom)
{
	for (u64 i = 0; i < 1000; i++) {
		struct backoff backoff = {0};
		u64 wait = backoff_long_ns(&backoff, &limits, i * 0x9e3779b97f4a7c15);
		cr_assert(wait >= MS(30000) && wait <= MS(60000));
	}
}

Test(backoff, begins_anew_after_a_success)
{
	struct backoff backoff = {.failures = UINT32_MAX};

	backoff_next_ns(&backoff, &limits, 0, 0);
	cr_expect_eq(backoff.failures, UINT32_MAX, "it does not begin anew by itself");
	backoff_reset(&backoff);
	cr_expect_leq(backoff_next_ns(&backoff, &limits, 0, UINT64_MAX), MS(1000));
}
