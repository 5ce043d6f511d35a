/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>

#include "base/strbuf.h"
#include "profile/profile.h"
#include "tui/cells.h"
#include "tui/status.h"

static const struct truth second_3 = {
	.samples = 300,
	.start_realtime_ns = 1,
	.seconds = 3,
	.agent_cpu_s = 0.01,
	.bpf_ns = 5000000,
	.processes = 34,
	.python_processes = 12,
};

static struct truth second_4(void)
{
	struct truth truth = second_3;

	truth.samples = 498;
	truth.seconds = 4;
	truth.agent_cpu_s += 0.003;
	truth.bpf_ns += 1000000;
	return truth;
}

static void assert_shows(const struct status *status, int columns, const char *expected)
{
	STRBUF(text);

	status_put(status, columns, &text);
	cr_assert_str_eq(text.at, expected);
	cr_assert_leq(cells_width(text.at), columns);
}

Test(status, rates_are_those_since_the_last_look)
{
	struct truth now = second_4();
	struct status status;

	status_of(&now, &second_3, &status);
	cr_assert_float_eq(status.samples_per_s, 198, 1e-9);
	cr_assert_float_eq(status.own_cpus, 0.004, 1e-9);
	cr_assert_eq(status.samples, 498);
}

Test(status, without_an_earlier_look_rates_are_since_the_beginning)
{
	struct truth now = second_4();
	struct status status;

	status_of(&now, NULL, &status);
	cr_assert_float_eq(status.samples_per_s, 498 / 4.0, 1e-9);
	cr_assert_float_eq(status.own_cpus, (0.013 + 0.006) / 4, 1e-9);
}

Test(status, a_look_at_another_window_is_no_earlier_look)
{
	struct truth now = second_4();
	struct status status;

	now.start_realtime_ns = 2;
	status_of(&now, &second_3, &status);
	cr_assert_float_eq(status.samples_per_s, 498 / 4.0, 1e-9);
}

Test(status, a_profile_that_has_just_begun_has_no_rates)
{
	struct truth now = {.samples = 5};
	struct status status;

	status_of(&now, NULL, &status);
	cr_assert_eq(status.samples_per_s, 0);
	cr_assert_eq(status.own_cpus, 0);
}

Test(status, says_it_in_words_and_in_less_where_there_is_less_room)
{
	struct truth now = second_4();
	struct status status;

	status_of(&now, &second_3, &status);
	assert_shows(&status, 100,
		     "198 samples/s, 34 processes (12 Python), no losses, pyprof-bpf uses 0.4 % of one CPU");
	assert_shows(&status, 60, "198/s, 34 proc (12 py), 0 lost, own 0.4 %");
	assert_shows(&status, 40, "198/s, 0 lost, own 0.4 %");
	assert_shows(&status, 10, "198/s….4 %");
	assert_shows(&status, 0, "");
}

Test(status, losses_are_counted_and_put_in_proportion)
{
	struct truth now = second_4();
	struct status status;

	now.processes = 1;
	now.lost[LOSS_RING_FULL] = 1;
	now.lost[LOSS_TABLE_FULL] = 1;
	status_of(&now, &second_3, &status);
	assert_shows(&status, 100,
		     "198 samples/s, 1 process (12 Python), 2 lost (0.4 %), pyprof-bpf uses 0.4 % of one CPU");
}
