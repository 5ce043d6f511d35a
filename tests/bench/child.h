/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * child.h - programs that a benchmark starts: the profiler, workloads, peers.
 * A child dies with the benchmark, however that ends.
 */
#ifndef PYPROF_BENCH_CHILD_H
#define PYPROF_BENCH_CHILD_H

#include <sys/types.h>

#include "pyprof/types.h"

#define ANY_CPU -1

/* Its output goes to `log`, NULL: nowhere. Gives up when it cannot be started. */
pid_t child_start(const char *const argv[], int cpu, const char *log);
/* The same, with its stdout apart in `out`. */
pid_t child_start_into(const char *const argv[], int cpu, const char *out, const char *log);

/* Its CPU time so far, all threads, user and system. */
u64 child_cpu_ns(pid_t pid);

/* Waits for its end. Its exit status; ret_cpu_ns, if not NULL: its CPU time with that of its own children. */
int child_wait(pid_t pid, u64 *ret_cpu_ns);

/* The same, and what it took. */
struct child_usage {
	u64 cpu_ns; /* with that of its own children */
	u64 peak_rss; /* bytes */
};
int child_wait_usage(pid_t pid, struct child_usage *ret);

/* Ends it by signal and waits. */
void child_stop(pid_t pid, int signal);

#endif
