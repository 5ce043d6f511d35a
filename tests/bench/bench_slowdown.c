// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bench_slowdown.c - how much less a Python program gets done per second of CPU
 * time while it is profiled. The same processes run all the time; windows with
 * and without the profiler alternate, and each with is compared with the mean of
 * its two neighbours without, so that slow drifts of the machine cancel out. Likewise
 * for an empty program at the same rate: the interrupts alone, which in a virtual
 * machine cost several microseconds each.
 *
 * CPU time holds the interrupts, unless the kernel accounts for those apart
 * (CONFIG_IRQ_TIME_ACCOUNTING): then the result is too good, and a note says so.
 * The profiler's own process is not in here: see bench_agent.
 */
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/agent.h"
#include "tests/bench/bench.h"
#include "tests/bench/floor.h"
#include "tests/bench/program_cost.h"
#include "tests/bench/workload.h"

#define DEPTH	   30
#define WINDOW_S   2
#define MAX_ROUNDS 128

static const struct rate {
	u32 hz;
	double goal_percent;
} rates[] = {{99, 0.2}, {999, 1}};

static bool interrupts_have_their_own_time(void)
{
	unsigned long long irq = 0;
	_cleanup_(stream) FILE *file = fopen("/proc/stat", "re");

	/* Without it a kernel with a tick counts no whole tick as spent in interrupts. */
	return file && fscanf(file, "cpu %*u %*u %*u %*u %*u %llu", &irq) == 1 && irq;
}

static double speed_when_profiled(const struct workload *workload, u32 hz)
{
	struct agent agent = agent_start(hz);
	int statistics = program_cost_enable(); /* only to see that it samples: they cost time, too */

	agent_wait_steady(&agent);
	close(statistics);
	double speed = workload_speed(workload, WINDOW_S);

	json_decref(agent_stop(&agent));
	return speed;
}

static double speed_when_interrupted(const struct workload *workload, u32 hz)
{
	struct floor *floor = floor_open(hz);
	double speed = workload_speed(workload, WINDOW_S);

	floor_close(floor);
	return speed;
}

/* What alternates with nothing, and on which workload: bench_native says what `levels` are. */
static const struct disturbance {
	const char *name;
	double (*speed)(const struct workload *workload, u32 hz);
	const char *kind;
	u32 cnt;
	bool has_goal;
	u32 rounds;
} disturbances[] = {
	{"slowdown", speed_when_profiled, "python", 0, true, 6},
	{"slowdown_of_an_empty_program", speed_when_interrupted, "python", 0, false, 5},
	{"slowdown_with_30_native_frames", speed_when_profiled, "levels", 11, false, 3},
};

static void measure(const struct disturbance *disturbance, const struct rate *rate)
{
	struct workload *workload = workload_start_kind(DEPTH, disturbance->kind, disturbance->cnt);
	u32 rounds = bench_times(disturbance->rounds);
	double slowdown[MAX_ROUNDS];
	char name[64];
	double before = workload_speed(workload, WINDOW_S);

	for (u32 i = 0; i < rounds; i++) {
		double with = disturbance->speed(workload, rate->hz);
		double after = workload_speed(workload, WINDOW_S);

		slowdown[i] = 100 * (1 - with / ((before + after) / 2));
		before = after;
	}
	workload_stop(workload);
	snprintf(name, sizeof(name), "%s_%uhz", disturbance->name, rate->hz);
	bench_line(name, bench_median(slowdown, rounds), "%", disturbance->has_goal ? rate->goal_percent : NO_GOAL);
	snprintf(name, sizeof(name), "%s_%uhz_spread", disturbance->name, rate->hz);
	bench_line(name, bench_spread(slowdown, rounds), "%", NO_GOAL);
}

int main(void)
{
	if (interrupts_have_their_own_time())
		bench_note("this kernel accounts for interrupts apart: the slowdown below leaves them out");
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		for (size_t d = 0; d < sizeof(disturbances) / sizeof(disturbances[0]); d++)
			measure(&disturbances[d], &rates[i]);
	return 0;
}
