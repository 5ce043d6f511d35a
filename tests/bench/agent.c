// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tests/bench/agent.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/bench/bench.h"
#include "tests/bench/child.h"
#include "tests/bench/program_cost.h"

#define SAMPLING_PROGRAM "sample"
#define START_LIMIT_NS	 (20 * NS_PER_S)
#define SETTLE_S	 2 /* names of what runs already, tables filled */

static void scratch_path(const char *name, char *ret, size_t size)
{
	snprintf(ret, size, "%s/%s", bench_scratch(), name);
}

/* Gives up, with the profiler's own words. */
static _Noreturn void agent_failed(const char *what)
{
	char path[256], line[512];

	scratch_path("agent.log", path, sizeof(path));
	_cleanup_(stream) FILE *log = fopen(path, "re");
	while (log && fgets(line, sizeof(line), log))
		fputs(line, stderr);
	bench_die("the profiler %s", what);
}

struct agent agent_start_with(const struct agent_options *options)
{
	const char *program = getenv("PYPROF_BPF");
	char stats[256], log[256], rate[16];
	const char *argv[16] = {program ? program : "build/pyprof-bpf", "-F", rate, "--stats", stats};
	u32 cnt = 5;

	scratch_path("stats.json", stats, sizeof(stats));
	scratch_path("agent.log", log, sizeof(log));
	snprintf(rate, sizeof(rate), "%u", options->hz);
	remove(stats);
	argv[cnt++] = options->pids ? "-p" : "--all";
	if (options->pids)
		argv[cnt++] = options->pids;
	if (options->native) {
		argv[cnt++] = "--native";
		argv[cnt++] = options->native;
	}
	argv[cnt++] = options->window ? "--window" : "-o";
	argv[cnt++] = options->window ? options->window : options->folded ? options->folded : "/dev/null";
	if (!options->window) {
		argv[cnt++] = "--format";
		argv[cnt++] = "folded";
	}
	u64 start_ns = clock_monotonic_ns();

	return (struct agent){.pid = child_start_into(argv, ANY_CPU, options->window ? options->folded : NULL, log),
			      .start_ns = start_ns};
}

struct agent agent_start(u32 hz)
{
	return agent_start_with(&(struct agent_options){.hz = hz});
}

void agent_wait_sampling(const struct agent *agent)
{
	while (!program_cost_of_process(agent->pid, SAMPLING_PROGRAM).runs) {
		if (waitpid(agent->pid, NULL, WNOHANG) == agent->pid)
			agent_failed("ended before its first sample");
		if (clock_monotonic_ns() - agent->start_ns > START_LIMIT_NS)
			agent_failed("took no sample in 20 s");
		bench_sleep(0.002);
	}
}

void agent_wait_steady(const struct agent *agent)
{
	agent_wait_sampling(agent);
	bench_sleep(SETTLE_S);
}

struct agent_cost agent_cost(const struct agent *agent)
{
	struct program_cost sample = program_cost_of_process(agent->pid, SAMPLING_PROGRAM);

	return (struct agent_cost){
		.cpu_ns = child_cpu_ns(agent->pid),
		.bpf_ns = program_cost_of_process(agent->pid, NULL).run_ns,
		.sample_ns = sample.run_ns,
		.samples = sample.runs,
	};
}

struct agent_cost agent_cost_over(const struct agent *agent, double seconds)
{
	struct agent_cost before = agent_cost(agent);

	bench_sleep(seconds);
	struct agent_cost after = agent_cost(agent);

	return (struct agent_cost){
		.cpu_ns = after.cpu_ns - before.cpu_ns,
		.bpf_ns = after.bpf_ns - before.bpf_ns,
		.sample_ns = after.sample_ns - before.sample_ns,
		.samples = after.samples - before.samples,
	};
}

json_t *agent_stop(const struct agent *agent)
{
	char path[256];
	json_error_t error;

	kill(agent->pid, SIGINT);
	if (child_wait(agent->pid, NULL))
		agent_failed("did not end well");
	scratch_path("stats.json", path, sizeof(path));
	json_t *stats = json_load_file(path, 0, &error);
	if (!stats)
		agent_failed("wrote no statistics");
	return stats;
}

double stats_number(const json_t *stats, const char *key)
{
	const json_t *value = json_object_get(stats, key);

	if (!json_is_number(value))
		bench_die("the profiler's statistics have no number `%s`", key);
	return json_number_value(value);
}

double stats_number_in(const json_t *stats, const char *object, const char *key)
{
	return stats_number(json_object_get(stats, object), key);
}
