/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Without -o and without a terminal: windows on stdout. */
#include <signal.h>
#include <string.h>

#include "tests/e2e/harness.h"

E2E_SUITE(stream, 60);

static struct windows windows_of(const struct child *child)
{
	struct windows windows = {0};

	expect_null_problem(check_windows(child_out(child), &windows), "stream");
	return windows;
}

/* Those that have begun: the last one may be on its way yet. */
static size_t window_cnt(const struct child *child)
{
	size_t cnt = 0;

	for (const char *at = child_out(child); (at = strstr(at, "# window ")); at++)
		cnt++;
	return cnt;
}

static struct child *busy_here(const struct place *place)
{
	struct child *workload = native_start(place, "native-fp", NULL);

	child_ready(workload, 10);
	return workload;
}

Test(stream, windows_are_contiguous_and_their_counts_add_up)
{
	struct place place = place_in("/");
	const char *stats_path = in_place(&place, "stats.json");
	busy_here(&place);
	struct child *child = profiler_run(20, "--all", "-F", "99", "-d", "2.5", "--window", "1", "--stats", stats_path,
					   NULL);

	cr_assert_eq(child->status, 0, "%s", child_err(child));
	struct windows windows = windows_of(child);
	cr_expect_eq(windows.cnt, 3, "%zu windows: %s", windows.cnt, child_out(child));
	cr_expect_eq(windows.hz, 99);
	cr_expect_float_eq(windows.seconds, 2.5, 0.3, "%g s", windows.seconds);
	cr_expect_float_eq(windows.first_seconds, 1, 0.1, "%g s", windows.first_seconds);
	cr_expect_gt(windows.samples, FEW);

	const char *text = file_text(stats_path);
	cr_assert_not_null(text);
	expect_null_problem(check_stats(text, NULL), "stats");
	json_t *stats = json_loads(text, 0, NULL);
	cr_expect_eq(stats_number(stats, "samples", NULL), windows.samples);
	cr_expect_eq(stats_lost(stats), windows.lost);
}

Test(stream, a_window_is_out_as_soon_as_it_is_over)
{
	struct place place = place_in("/");
	busy_here(&place);
	struct child *child = profiler_start(NULL, "--all", "--window", "0.5", NULL);

	profiler_sampling(child);
	for (int i = 0; i < 200 && window_cnt(child) < 4; i++)
		sleep_s(0.1);
	struct windows so_far = windows_of(child);
	cr_expect_geq(so_far.cnt, 4, "%zu windows after 20 s", so_far.cnt);
	cr_expect_eq(so_far.hz, 19, "the default rate of a stream of all");
	sleep_s(0.3);
	child_signal(child, SIGINT);
	cr_expect_eq(child_wait(child, 5), 0);
	struct windows windows = windows_of(child);
	cr_expect_gt(windows.cnt, so_far.cnt, "the last, partial window is missing");
}

Test(stream, one_process_is_streamed_too)
{
	struct place place = place_in("/");
	struct child *workload = busy_here(&place);
	struct child *child = profiler_run(20, "-p", text_of("%d", workload->pid), "-d", "1.2", "--window", "0.3",
					   NULL);

	cr_assert_eq(child->status, 0, "%s", child_err(child));
	struct windows windows = windows_of(child);
	/* One that comes late, on a busy machine, is longer, and takes the next one's place. */
	cr_expect(windows.cnt >= 2 && windows.cnt <= 5, "%zu windows", windows.cnt);
	cr_expect_eq(windows.hz, 99);
	cr_expect_gt(windows.samples, FEW / 2);
}

Test(stream, the_default_window_is_ten_seconds)
{
	struct child *child = profiler_run(30, "--all", "-d", "11", NULL);

	cr_assert_eq(child->status, 0, "%s", child_err(child));
	struct windows windows = windows_of(child);
	cr_expect_eq(windows.cnt, 2);
	cr_expect_float_eq(windows.first_seconds, 10, 0.9);
}
