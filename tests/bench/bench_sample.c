// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bench_sample.c - what one sample costs in the kernel: run time of the sampling
 * program by the kernel's statistics, at several depths and rates, beside an
 * empty program that is attached to the same clocks in the same run (the floor).
 * Every core is busy, so that no run is an idle one.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "pyprof/limits.h"
#include "tests/bench/agent.h"
#include "tests/bench/bench.h"
#include "tests/bench/program_cost.h"
#include "tests/bench/workload.h"

static const u32 depths[] = {10, 30, 100, 300};

/* goal_us: above the floor, at 30 deep. */
static const struct rate {
	u32 hz;
	double goal_us;
} rates[] = {{99, 6}, {999, 2}};

#define GOAL_DEPTH 30

/* The empty program, attached to one clock per CPU. */
struct floor {
	struct bpf_object *object;
	int program;
	struct bpf_link *links[MAX_CPUS];
};

static struct bpf_link *attach(struct bpf_program *program, u32 cpu, u32 hz)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.size = sizeof(attr),
		.freq = 1,
		.sample_freq = hz,
	};
	int fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		bench_die("cannot open a clock on CPU %u", cpu);
	struct bpf_link *link = bpf_program__attach_perf_event(program, fd); /* takes the descriptor over */
	if (!link)
		bench_die("cannot attach the empty program on CPU %u", cpu);
	return link;
}

static void floor_open(struct floor *floor, u32 hz)
{
	const char *path = getenv("BENCH_EMPTY");

	memset(floor, 0, sizeof(*floor));
	floor->object = bpf_object__open_file(path ? path : "build/tests/bench/empty.bpf.o", NULL);
	if (!floor->object || bpf_object__load(floor->object))
		bench_die("cannot load the empty program");

	struct bpf_program *program = bpf_object__find_program_by_name(floor->object, "empty");
	if (!program)
		bench_die("the empty program is not where it should be");
	floor->program = bpf_program__fd(program);
	for (u32 cpu = 0; cpu < bench_cpu_cnt(); cpu++)
		floor->links[cpu] = attach(program, cpu, hz);
}

static void floor_close(struct floor *floor)
{
	for (u32 cpu = 0; cpu < bench_cpu_cnt(); cpu++)
		bpf_link__destroy(floor->links[cpu]);
	bpf_object__close(floor->object);
}

static void measure(const struct rate *rate, u32 depth)
{
	struct workload *workload = workload_start(depth);
	struct agent agent = agent_start(rate->hz);
	struct floor floor;
	char name[64];

	floor_open(&floor, rate->hz);
	agent_wait_steady(&agent);

	struct workload_progress before = workload_progress(workload);
	struct program_cost floor_before = program_cost_of_fd(floor.program);
	struct agent_cost cost = agent_cost_over(&agent, bench_times(6));
	struct program_cost floor_cost = program_cost_since(program_cost_of_fd(floor.program), floor_before);

	workload_note_others(workload, before);
	json_decref(agent_stop(&agent));
	floor_close(&floor);
	workload_stop(workload);

	double floor_us = program_cost_us(floor_cost);
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
