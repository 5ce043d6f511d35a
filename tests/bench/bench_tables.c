// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bench_tables.c - how long stacks stay short after start on a host with 200
 * processes, until the unwind tables of what runs there are made: read from a
 * stream of short windows, as the time at which the first of two windows began in
 * which 95 % of the samples lacked no table, and the profiler's CPU time until then.
 * Sampled fast, only so that a window has enough samples to tell.
 */
#include <stdbool.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/bench/agent.h"
#include "tests/bench/bench.h"
#include "tests/bench/child.h"
#include "tests/bench/host.h"
#include "tests/bench/program_cost.h"
#include "tests/bench/stacks.h"

#define PYTHON_CNT     20
#define HOST_CNT       200
#define HZ	       999
#define WINDOW	       "0.1" /* seconds */
#define LOOK_S	       0.05
#define LOOK_CNT       60
#define MAX_WINDOWS    64
#define MAX_ROUNDS     32
#define ENOUGH_PERCENT 95

/* One start of the profiler. */
struct start {
	u64 realtime_ns;
	u64 cpu_ns[LOOK_CNT]; /* of the profiler; the first LOOK_S after its start, and so on */
	u64 map_size; /* at the end */
	struct stacks_window windows[MAX_WINDOWS];
	u32 window_cnt;
};

struct ready {
	double seconds, cpu_s;
	double whole_percent; /* of the samples after that */
};

static void start_watch(struct start *start)
{
	char stream[256];

	snprintf(stream, sizeof(stream), "%s/windows.folded", bench_scratch());
	start->realtime_ns = clock_realtime_ns();
	struct agent agent = agent_start_with(&(struct agent_options){.hz = HZ, .folded = stream, .window = WINDOW});

	for (u32 i = 0; i < LOOK_CNT; i++) {
		bench_sleep(LOOK_S);
		start->cpu_ns[i] = child_cpu_ns(agent.pid);
	}
	start->map_size = map_size_of_process(agent.pid);
	json_decref(agent_stop(&agent));
	start->window_cnt = stacks_read_windows(stream, start->windows, MAX_WINDOWS);
}

static bool has_tables(const struct stacks *stacks)
{
	return stacks->samples && stacks->no_table * 100 <= stacks->samples * (100 - ENOUGH_PERCENT);
}

/* The window with which it was ready; window_cnt: never. */
static u32 start_first_ready(const struct start *start)
{
	for (u32 i = 0; i + 1 < start->window_cnt; i++)
		if (has_tables(&start->windows[i].stacks) && has_tables(&start->windows[i + 1].stacks))
			return i;
	return start->window_cnt;
}

static bool start_ready(const struct start *start, struct ready *ret)
{
	u32 first = start_first_ready(start);
	u64 samples = 0, whole = 0;

	if (first == start->window_cnt)
		return false;
	for (u32 i = first; i < start->window_cnt; i++) {
		samples += start->windows[i].stacks.samples;
		whole += start->windows[i].stacks.whole;
	}
	double seconds = (double)(s64)(start->windows[first].start_ns - start->realtime_ns) / 1e9;
	u32 look = seconds > LOOK_S ? seconds / LOOK_S : 0;

	*ret = (struct ready){
		.seconds = seconds,
		.cpu_s = start->cpu_ns[look < LOOK_CNT ? look : LOOK_CNT - 1] / 1e9,
		.whole_percent = 100.0 * whole / samples,
	};
	return true;
}

static void measure(u32 rounds)
{
	double seconds[MAX_ROUNDS], cpu_s[MAX_ROUNDS], whole[MAX_ROUNDS], maps_mb[MAX_ROUNDS];

	for (u32 i = 0; i < rounds; i++) {
		struct start start = {0};
		struct ready ready;

		start_watch(&start);
		if (!start_ready(&start, &ready)) {
			bench_skip("tables_ready", "not in %g s", LOOK_CNT * LOOK_S);
			return;
		}
		seconds[i] = ready.seconds;
		cpu_s[i] = ready.cpu_s;
		whole[i] = ready.whole_percent;
		maps_mb[i] = start.map_size / 1e6;
	}
	bench_line("tables_ready_time", bench_median(seconds, rounds), "s", NO_GOAL);
	bench_line("tables_ready_cpu", bench_median(cpu_s, rounds), "s", NO_GOAL);
	bench_line("tables_ready_whole", bench_median(whole, rounds), "% of samples", NO_GOAL);
	bench_line("tables_maps", bench_median(maps_mb, rounds), "MB", NO_GOAL);
}

int main(void)
{
	struct host host = {0};

	host_add_services(&host, PYTHON_CNT);
	host_fill(&host, HOST_CNT);
	bench_sleep(3); /* until they have imported what they need */
	bench_note("tables: %u processes alive, %u of them Python services", processes_alive(), PYTHON_CNT);
	measure(bench_times(3));
	host_stop(&host);
	return 0;
}
