/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* CPU time goes to who used it. */
#include <stdio.h>
#include <string.h>

#include "tests/e2e/harness.h"

#define HZ	     999
#define FUNCTION_CNT 4

E2E_SUITE(shares, 120);

struct totals {
	char names[FUNCTION_CNT][32];
	u64 ns[FUNCTION_CNT];
	u64 sum;
};

static struct totals totals_of(const struct place *place)
{
	struct totals totals = {0};
	char *text = file_text(in_place(place, "totals")), *at = text;

	cr_assert_not_null(text);
	for (size_t i = 0; i < FUNCTION_CNT; i++) {
		unsigned long long ns;
		int used = 0;
		cr_assert_eq(sscanf(at, "%31s %llu\n%n", totals.names[i], &ns, &used), 2, "totals: %s", text);
		totals.ns[i] = ns;
		totals.sum += ns;
		at += used;
	}
	return totals;
}

ParameterizedTestParameters(shares, each_function_has_its_share)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, shares, each_function_has_its_share)
{
	double seconds = sampling_seconds(python, 30);
	struct place place = place_in(python->root);
	struct child *workload = python_start(python, &place, "shares.py", text_of("%s/totals", place.inside), NULL);
	child_ready(workload, 30);

	struct totals before = totals_of(&place);
	struct profile profile = profile_pid(&place, workload->pid, HZ, seconds, false);
	struct totals after = totals_of(&place);

	u64 counts[FUNCTION_CNT], sum = 0;
	for (size_t i = 0; i < FUNCTION_CNT; i++) {
		counts[i] = folded_count(&profile.folded, text_of("%s (*", after.names[i]));
		sum += counts[i];
	}
	cr_assert_gt((double)sum, 500.0, "%s: %llu samples", python->name, (unsigned long long)sum);
	for (size_t i = 0; i < FUNCTION_CNT; i++) {
		double share = (double)(after.ns[i] - before.ns[i]) / (double)(after.sum - before.sum);
		double seen = (double)counts[i] / (double)sum;
		printf("shares, %s: %s used %.2f %%, seen %.2f %%\n", python->name, after.names[i], 100 * share,
		       100 * seen);
		cr_expect(share_is_plausible(counts[i], sum, share), "%s: %s used %.2f %%, seen %.2f %% of %llu",
			  python->name, after.names[i], 100 * share, 100 * seen, (unsigned long long)sum);
	}
}
