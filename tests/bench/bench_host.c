// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bench_host.c - a host with many processes: memory with 100 of them of which 20
 * are Python services, and time and CPU from start to the first sample with 300
 * alive. Both are looked at from outside and compared with --stats.
 */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/bench/agent.h"
#include "tests/bench/bench.h"
#include "tests/bench/child.h"
#include "tests/bench/host.h"
#include "tests/bench/program_cost.h"

#define PYTHON_CNT     20
#define MEMORY_CNT     100
#define START_CNT      300
#define START_ROUNDS   5
#define HZ	       99
#define MB	       1e6
#define RSS_GOAL_MB    40
#define MAPS_GOAL_MB   32
#define FIRST_GOAL_S   0.5
#define FIRST_CPU_GOAL 0.5

static double peak_rss_mb(pid_t pid)
{
	char path[64], line[256];
	unsigned long long kb = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	_cleanup_(stream) FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmHWM: %llu", &kb) == 1)
			break;
	return kb * 1024 / MB;
}

static void measure_memory(void)
{
	struct agent agent = agent_start(HZ);

	agent_wait_steady(&agent);
	bench_sleep(bench_times(10));
	double rss_mb = peak_rss_mb(agent.pid);
	double maps_mb = map_size_of_process(agent.pid) / MB;
	json_t *stats = agent_stop(&agent);

	bench_line("memory_rss_while_sampling", rss_mb, "MB", NO_GOAL);
	bench_line("memory_rss_peak_own_word", stats_number(stats, "rss_bytes") / MB, "MB", RSS_GOAL_MB);
	bench_line("memory_maps", maps_mb, "MB", MAPS_GOAL_MB);
	bench_line("memory_maps_own_word", stats_number(stats, "map_bytes") / MB, "MB", NO_GOAL);
	json_decref(stats);
}

static void measure_start(void)
{
	double first_s[START_ROUNDS], cpu_s[START_ROUNDS], own_s[START_ROUNDS];

	for (u32 i = 0; i < START_ROUNDS; i++) {
		struct agent agent = agent_start(HZ);

		agent_wait_sampling(&agent);
		first_s[i] = (clock_monotonic_ns() - agent.start_ns) / 1e9;
		cpu_s[i] = child_cpu_ns(agent.pid) / 1e9;
		bench_sleep(0.5);
		json_t *stats = agent_stop(&agent);

		own_s[i] = stats_number(stats, "first_sample_s");
		json_decref(stats);
	}
	bench_line("first_sample_time", bench_median(first_s, START_ROUNDS), "s", FIRST_GOAL_S);
	bench_line("first_sample_cpu", bench_median(cpu_s, START_ROUNDS), "s", FIRST_CPU_GOAL);
	bench_line("first_sample_time_own_word", bench_median(own_s, START_ROUNDS), "s", NO_GOAL);
}

int main(void)
{
	_cleanup_(fd) int statistics = program_cost_enable();
	struct host host = {0};

	host_add_services(&host, PYTHON_CNT);
	host_fill(&host, MEMORY_CNT);
	bench_sleep(2); /* until they have imported what they need */
	bench_note("memory: %u processes alive, %u of them Python services", processes_alive(), PYTHON_CNT);
	measure_memory();

	host_fill(&host, START_CNT);
	bench_sleep(1);
	bench_note("start: %u processes alive", processes_alive());
	measure_start();
	host_stop(&host);
	return 0;
}
