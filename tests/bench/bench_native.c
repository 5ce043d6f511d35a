// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bench_native.c - what a sample costs when 30 Python frames stand on and below
 * native ones that keep no frame pointers: in the kernel above an empty program on
 * the same clocks, as bench_sample does, and all CPU of the profiler, as
 * bench_agent does, both in one run. That the stacks had so many frames is read
 * from the profile of the same run; `--native all` is the one that shows them all.
 */
#include <stdbool.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "tests/bench/agent.h"
#include "tests/bench/bench.h"
#include "tests/bench/floor.h"
#include "tests/bench/program_cost.h"
#include "tests/bench/stacks.h"
#include "tests/bench/workload.h"

#define DEPTH 30

/* The goals are those for a sample above the floor, and for all CPU per sample. */
static const struct rate {
	u32 hz;
	double bpf_goal_us, all_goal_us;
	u32 seconds;
} rates[] = {{99, 14, 18, 6}, {999, 5, 7, 4}};

/*
 * What runs, and how it is looked at. cnt makes it 30 native frames in all on
 * CPython 3.13: 18 of them are the program's start, the interpreter and ctypes, or
 * 10 the start, and 4 for each call through C.
 */
static const struct scene {
	const char *name, *kind;
	u32 cnt;
	const char *native;
	bool has_goal;
} scenes[] = {
	{"levels30_extensions", "levels", 11, "extensions", true},
	{"levels30_all", "levels", 11, "all", true},
	{"levels30_none", "levels", 11, "none", false},
	{"levels50_all", "levels", 31, "all", false},
	{"callbacks30_all", "callbacks", 5, "all", true},
};

static void line(const char *what, const struct scene *scene, u32 hz, double value, const char *unit, double goal)
{
	char name[96];

	snprintf(name, sizeof(name), "native_%s_%uhz_%s", scene->name, hz, what);
	bench_line(name, value, unit, scene->has_goal ? goal : NO_GOAL);
}

/* Of the whole run, whose first samples are short for want of tables. */
static void measure_shape(const struct scene *scene, u32 hz, const char *folded, const pid_t *pids, u32 pid_cnt)
{
	struct stacks stacks = {0};

	for (u32 i = 0; i < pid_cnt; i++)
		stacks_add(&stacks, folded, pids[i]);
	if (!stacks.samples)
		bench_die("the profile has no sample of the workload");
	line("python_frames", scene, hz, (double)stacks.python / stacks.samples, "frames/sample", NO_GOAL);
	line("native_frames", scene, hz, (double)stacks.native / stacks.samples, "frames/sample", NO_GOAL);
	line("whole", scene, hz, 100.0 * stacks.whole / stacks.samples, "% of samples", NO_GOAL);
}

static void measure(const struct scene *scene, const struct rate *rate)
{
	char folded[256];
	pid_t pids[MAX_CPUS];

	snprintf(folded, sizeof(folded), "%s/native.folded", bench_scratch());
	struct workload *workload = workload_start_kind(DEPTH, scene->kind, scene->cnt);
	u32 pid_cnt = workload_pids(workload, pids);
	struct agent agent = agent_start_with(
		&(struct agent_options){.hz = rate->hz, .native = scene->native, .folded = folded});
	struct floor *floor = floor_open(rate->hz);

	agent_wait_steady(&agent);
	struct workload_progress before = workload_progress(workload);
	struct program_cost floor_before = floor_cost(floor);
	u64 ring_before = ring_written_of_process(agent.pid);
	struct agent_cost cost = agent_cost_over(&agent, bench_times(rate->seconds));
	u64 ring_bytes = ring_written_of_process(agent.pid) - ring_before;
	struct program_cost empty = program_cost_since(floor_cost(floor), floor_before);

	workload_note_others(workload, before);
	json_decref(agent_stop(&agent));
	floor_close(floor);
	workload_stop(workload);
	if (!cost.samples)
		bench_die("no sample was taken at %u Hz", rate->hz);

	double above_us = (double)cost.sample_ns / 1e3 / cost.samples - program_cost_us(empty);
	double all_us = (cost.cpu_ns + cost.bpf_ns) / 1e3 / cost.samples;

	line("bpf_above_floor", scene, rate->hz, above_us, "us/run", rate->bpf_goal_us);
	line("all_cpu", scene, rate->hz, all_us, "us/sample", rate->all_goal_us);
	line("ring", scene, rate->hz, (double)ring_bytes / cost.samples, "bytes/sample", NO_GOAL);
	measure_shape(scene, rate->hz, folded, pids, pid_cnt);
}

int main(void)
{
	_cleanup_(fd) int statistics = program_cost_enable();

	for (size_t s = 0; s < sizeof(scenes) / sizeof(scenes[0]); s++)
		for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++)
			measure(&scenes[s], &rates[r]);
	return 0;
}
