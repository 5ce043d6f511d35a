/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * workload.h - depth.py, one on each CPU and bound to it: every core is busy in
 * Python code that is so many calls deep, and every piece of work is counted.
 */
#ifndef PYPROF_BENCH_WORKLOAD_H
#define PYPROF_BENCH_WORKLOAD_H

#include <sys/types.h>

#include "pyprof/limits.h"
#include "pyprof/types.h"

struct workload;

/* Returns when all of them work. */
struct workload *workload_start(u32 depth);
/* The same with C code between and below: depth.py says which kinds there are. */
struct workload *workload_start_kind(u32 depth, const char *kind, u32 cnt);
void workload_stop(struct workload *workload);

/* Its processes, one for each CPU; how many. */
u32 workload_pids(const struct workload *workload, pid_t ret[MAX_CPUS]);

/* Pieces of work done so far, and the CPU time that went into them. */
struct workload_progress {
	u64 done;
	u64 cpu_ns;
	u64 wall_ns; /* CLOCK_MONOTONIC */
};

struct workload_progress workload_progress(const struct workload *workload);

/* Pieces of work per second of CPU time, over so many seconds from now. */
double workload_speed(const struct workload *workload, double seconds);

/*
 * Says so when the workload did not have all CPUs since then: runs that met
 * anything else are in the figures, too.
 */
void workload_note_others(const struct workload *workload, struct workload_progress then);

/* tests/bench/NAME, with the Python that run.sh chose. */
const char *workload_python(void);
const char *workload_script(const char *name, char *ret, u32 size);

#endif
