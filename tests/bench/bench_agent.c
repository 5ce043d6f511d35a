// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bench_agent.c - all CPU that the profiler costs per sample, kernel side
 * included, with every core busy 30 Python frames deep. Steady state is measured
 * from outside: the process's CPU clock and the kernel's statistics of all its
 * programs. What the profiler says of its whole run, start and end included,
 * stands beside it.
 */
#include <stdio.h>

#include "base/cleanup.h"
#include "tests/bench/agent.h"
#include "tests/bench/bench.h"
#include "tests/bench/program_cost.h"
#include "tests/bench/workload.h"

#define DEPTH 30

static const struct rate {
	u32 hz;
	double goal_us;
} rates[] = {{19, NO_GOAL}, {99, 12}, {999, 5}};

static void line(const char *what, u32 hz, double value, const char *unit, double goal)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_%uhz", what, hz);
	bench_line(name, value, unit, goal);
}

static void measure(const struct workload *workload, const struct rate *rate)
{
	u32 seconds = bench_times(rate->hz < 50 ? 15 : 10);
	struct agent agent = agent_start(rate->hz);

	agent_wait_steady(&agent);
	struct workload_progress before = workload_progress(workload);
	struct agent_cost cost = agent_cost_over(&agent, seconds);

	workload_note_others(workload, before);
	json_t *stats = agent_stop(&agent);
	double samples = stats_number(stats, "samples");
	double whole_ns = stats_number(stats, "agent_cpu_s") * 1e9 + stats_number(stats, "bpf_ns");

	if (!cost.samples || samples == 0)
		bench_die("no sample was taken at %u Hz", rate->hz);
	line("agent_user_side", rate->hz, cost.cpu_ns / 1e3 / cost.samples, "us/sample", NO_GOAL);
	line("agent_kernel_side", rate->hz, cost.bpf_ns / 1e3 / cost.samples, "us/sample", NO_GOAL);
	line("agent_all", rate->hz, (cost.cpu_ns + cost.bpf_ns) / 1e3 / cost.samples, "us/sample", rate->goal_us);
	line("agent_all_whole_run", rate->hz, whole_ns / 1e3 / samples, "us/sample", NO_GOAL);
	line("agent_share_of_a_core_per_cpu", rate->hz, (cost.cpu_ns + cost.bpf_ns) / 1e7 / seconds / bench_cpu_cnt(),
	     "%", NO_GOAL);
	json_decref(stats);
}

int main(void)
{
	_cleanup_(fd) int statistics = program_cost_enable();
	struct workload *workload = workload_start(DEPTH);

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		measure(workload, &rates[i]);
	workload_stop(workload);
	return 0;
}
