/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Processes that are gone before anyone could look twice. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/e2e/harness.h"

#define HZ	    999
#define PROCESS_CNT 200

E2E_SUITE(short_lived, 300);

/* PROCESS_CNT processes in all, two at a time, of each interpreter in turn. Nanoseconds inside burn. */
static u64 run_processes(const struct python *pythons, const struct place *places, size_t cnt)
{
	struct child *running[2] = {NULL};
	u64 ns = 0;

	for (size_t i = 0; i < PROCESS_CNT + 2; i++) {
		struct child *before = running[i % 2];
		if (before) {
			cr_assert_eq(child_wait(before, 60), 0, "short.py: %s", child_err(before));
			ns += strtoull(child_out(before), NULL, 10);
		}
		if (i < PROCESS_CNT)
			running[i % 2] = python_start(&pythons[i % cnt], &places[i % cnt], "short.py", NULL);
	}
	return ns;
}

static void expect_short_lived_named(const struct python *pythons, size_t cnt, const char *name)
{
	struct place places[MAX_PYTHONS];

	for (size_t i = 0; i < cnt; i++)
		places[i] = place_in(pythons[i].root);
	struct place place = place_in("/");
	struct child *profiler = profiler_start(NULL, "--all", "-F", text_of("%d", HZ), "-o",
						in_place(&place, "out.folded"), "--stats",
						in_place(&place, "stats.json"), NULL);
	profiler_sampling(profiler);
	u64 ns = run_processes(pythons, places, cnt);
	child_signal(profiler, SIGINT);
	cr_assert_eq(child_wait(profiler, 30), 0, "%s", child_err(profiler));
	struct profile profile = profile_read(&place);

	double expected = (double)ns * HZ / 1e9;
	u64 named = folded_count(&profile.folded, "burn (*");
	printf("short-lived, %s: %llu of %.0f expected samples, %.1f %%\n", name, (unsigned long long)named, expected,
	       100 * (double)named / expected);
	cr_expect((double)named >= 0.95 * expected, "%s: %llu of %.0f expected samples", name,
		  (unsigned long long)named, expected);
	cr_expect((double)named <= 1.05 * expected, "%s: %llu of %.0f expected samples", name,
		  (unsigned long long)named, expected);
}

Test(short_lived, processes_of_100_ms_are_named)
{
	struct python pythons[MAX_PYTHONS];
	size_t cnt = pythons_list(pythons, MAX_PYTHONS);

	cr_assert(cnt);
	if (!long_run()) {
		expect_short_lived_named(pythons, cnt, "all in turn");
		return;
	}
	for (size_t i = 0; i < cnt; i++)
		expect_short_lived_named(&pythons[i], 1, pythons[i].name);
}
