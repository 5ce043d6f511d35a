/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Exports to the engines that they are for. These are built from Go's modules, which takes minutes: in long runs alone,
 * and where there is a Go that can.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/e2e/harness.h"

E2E_SUITE(engines, 1800);

/* What the collector's go.mod asks for. */
#define GO_MINOR_MIN 25

static bool go_is_here(void)
{
	struct child *child = child_start(NULL, (const char *[]){"sh", "-c", "go version", NULL});
	int minor;

	return !child_wait(child, 30) && sscanf(child_out(child), "go version go1.%d", &minor) == 1 &&
	       minor >= GO_MINOR_MIN;
}

static void expect_engine_to_agree(const char *name)
{
	if (!long_run() || !go_is_here())
		cr_skip("%s", name);
	const char *build = getenv("PYPROF_BUILD");
	struct child *child = child_start(
		NULL, (const char *[]){"tests/e2e/engines/run.sh", build ? build : "build", name, NULL});

	cr_assert_eq(child_wait(child, 1500), 0, "%s: %s%s", name, child_out(child), child_err(child));
}

Test(engines, the_collector_was_sent_what_is_written_beside_it)
{
	expect_engine_to_agree("otelcol");
}

Test(engines, pyroscope_was_sent_what_is_written_beside_it)
{
	expect_engine_to_agree("pyroscope");
}
