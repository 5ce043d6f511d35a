/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* agent.h - the profiler while it is measured: pyprof-bpf --all, started, watched from outside, ended. */
#ifndef PYPROF_BENCH_AGENT_H
#define PYPROF_BENCH_AGENT_H

#include <jansson.h>
#include <sys/types.h>

#include "pyprof/types.h"

struct agent {
	pid_t pid;
	u64 start_ns; /* CLOCK_MONOTONIC */
};

/* What the profiler used between two looks at it. */
struct agent_cost {
	u64 cpu_ns; /* of its process */
	u64 bpf_ns; /* of all its programs, in whatever process they ran */
	u64 sample_ns, samples; /* of the sampling program alone */
};

struct agent_options {
	u32 hz;
	const char *pids; /* of -p; NULL: everything */
	const char *native; /* of --native; NULL: the profiler's default */
	const char *folded; /* file for the profile; NULL: it is thrown away */
	const char *window; /* seconds: `folded` becomes a stream of such windows; NULL: one profile at the end */
};

struct agent agent_start_with(const struct agent_options *options);
/* Samples everything at this rate and throws the profile away. */
struct agent agent_start(u32 hz);

/* Returns when the sampling program has run: the first interrupt was taken. */
void agent_wait_sampling(const struct agent *agent);

/* The same, and start-up is over. */
void agent_wait_steady(const struct agent *agent);

struct agent_cost agent_cost(const struct agent *agent);
struct agent_cost agent_cost_over(const struct agent *agent, double seconds);

/* Ends it. Its own statistics, to be released with json_decref. */
json_t *agent_stop(const struct agent *agent);

double stats_number(const json_t *stats, const char *key);
/* Of a member that is an object. */
double stats_number_in(const json_t *stats, const char *object, const char *key);

#endif
