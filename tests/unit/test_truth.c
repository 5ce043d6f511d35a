/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/truth.h"

#include <criterion/criterion.h>
#include <stdio.h>

Test(truth, counts_processes_by_version_in_order)
{
	struct truth truth = {0};

	truth_add_python(&truth, "3.13.0");
	truth_add_python(&truth, "3.11.2");
	truth_add_python(&truth, "3.13.0");
	cr_assert_eq(truth.python_processes, 3);
	cr_assert_str_eq(truth.versions[0].version, "3.11.2");
	cr_assert_eq(truth.versions[0].processes, 1);
	cr_assert_str_eq(truth.versions[1].version, "3.13.0");
	cr_assert_eq(truth.versions[1].processes, 2);
	cr_assert_str_empty(truth.versions[2].version);
}

Test(truth, more_versions_than_there_is_room_for_are_processes_still)
{
	struct truth truth = {0};
	char version[16];

	for (int i = 0; i < 100; i++) {
		snprintf(version, sizeof(version), "3.9.%03d", i);
		truth_add_python(&truth, version);
	}
	cr_assert_eq(truth.python_processes, 100);
	for (size_t i = 0; i < TRUTH_VERSION_CNT; i++)
		cr_assert_eq(truth.versions[i].processes, 1);
}

Test(truth, of_a_window_is_what_was_counted_in_it)
{
	struct truth before = {.samples = 100, .python_samples = 60, .python_complete = 50, .bpf_ns = 7, .seconds = 10},
		     now = {.samples = 150, .python_samples = 90, .python_complete = 80, .bpf_ns = 9, .seconds = 20.5},
		     window;

	before.start_realtime_ns = now.start_realtime_ns = 1795306044000000000;
	before.lost[LOSS_RING_FULL] = 2;
	now.lost[LOSS_RING_FULL] = 5;
	now.incomplete[LOSS_CODE_GONE] = 3;
	before.native = (struct native_truth){.samples = 40, .complete = 39, .fallback = 4};
	now.native = (struct native_truth){.samples = 50, .complete = 49, .fallback = 4};
	before.merge = (struct merge_truth){.verified = 10, .counted = 2, .unmerged = 1};
	now.merge = (struct merge_truth){.verified = 11, .counted = 4, .unmerged = 4};
	before.agent_cpu_s = 1;
	now.agent_cpu_s = 1.5;
	now.cpus = 8;
	now.hz = 19;
	truth_since(&now, &before, &window);

	cr_assert(window.samples == 50 && window.python_samples == 30 && window.python_complete == 30);
	cr_assert(window.lost[LOSS_RING_FULL] == 3 && window.incomplete[LOSS_CODE_GONE] == 3);
	cr_assert(window.native.samples == 10 && window.native.complete == 10 && !window.native.fallback);
	cr_assert(window.merge.verified == 1 && window.merge.counted == 2 && window.merge.unmerged == 3);
	cr_assert(window.bpf_ns == 2 && window.agent_cpu_s == 0.5 && window.seconds == 10.5);
	cr_assert(window.cpus == 8 && window.hz == 19);
	cr_assert_eq(window.start_realtime_ns, 1795306054000000000, "it starts where the one before ended");
}

Test(truth, of_the_first_window_is_that_of_the_run)
{
	struct truth now = {.samples = 5,
			    .seconds = 2,
			    .start_realtime_ns = 1795306044000000000,
			    .first_sample_s = 0.25},
		     window;

	truth_since(&now, &(struct truth){0}, &window);
	cr_assert(window.samples == 5 && window.seconds == 2 && window.first_sample_s == 0.25);
	cr_assert_eq(window.start_realtime_ns, now.start_realtime_ns);
}

Test(truth, a_count_that_went_back_is_nothing)
{
	struct truth window;

	truth_since(&(struct truth){.samples = 5}, &(struct truth){.samples = 7, .seconds = 1}, &window);
	cr_assert(!window.samples && !window.seconds);
}
