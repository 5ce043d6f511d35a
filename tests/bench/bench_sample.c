// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bench_sample.c - what one sample of Python frames alone costs in the kernel (with
 * native ones: bench_native.c): run time of the sampling program by the kernel's
 * statistics, at several depths and rates, beside an empty program that is attached
 * to the same clocks in the same run (the floor).
 * Every core is busy, so that no run is an idle one.
 */
#include <stdio.h>

#include "base/cleanup.h"
#include "tests/bench/agent.h"
#include "tests/bench/bench.h"
#include "tests/bench/floor.h"
#include "tests/bench/program_cost.h"
#include "tests/bench/workload.h"

static const u32 depths[] = {30, 100, 300};

/* goal_us: above the floor, at 30 deep. */
static const struct rate {
	u32 hz;
	double goal_us;
} rates[] = {{99, 6}, {999, 2}};

#define GOAL_DEPTH 30

static void measure(const struct rate *rate, u32 depth)
{
	struct workload *workload = workload_start(depth);
	const struct agent_options options = {.hz = rate->hz, .native = "none"};
	struct agent agent = agent_start_with(&options);
	struct floor *floor = floor_open(rate->hz);
	char name[64];

	agent_wait_steady(&agent);

	struct workload_progress before = workload_progress(workload);
	struct program_cost floor_before = floor_cost(floor);
	struct agent_cost cost = agent_cost_over(&agent, bench_times(6));
	struct program_cost empty = program_cost_since(floor_cost(floor), floor_before);

	workload_note_others(workload, before);
	json_decref(agent_stop(&agent));
	floor_close(floor);
	workload_stop(workload);

	double floor_us = program_cost_us(empty);
	double sample_us = program_cost_us((struct program_cost){cost.sample_ns, cost.samples});

	snprintf(name, sizeof(name), "bpf_floor_%uhz_depth%u", rate->hz, depth);
	bench_line(name, floor_us, "us/run", NO_GOAL);
	snprintf(name, sizeof(name), "bpf_sample_%uhz_depth%u", rate->hz, depth);
	bench_line(name, sample_us, "us/run", NO_GOAL);
	snprintf(name, sizeof(name), "bpf_above_floor_%uhz_depth%u", rate->hz, depth);
	bench_line(name, sample_us - floor_us, "us/run", depth == GOAL_DEPTH ? rate->goal_us : NO_GOAL);
}

int main(void)
{
	_cleanup_(fd) int statistics = program_cost_enable();

	for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++)
		for (size_t d = 0; d < sizeof(depths) / sizeof(depths[0]); d++)
			measure(&rates[r], depths[d]);
	return 0;
}
