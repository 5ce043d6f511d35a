/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * program_cost.h - what BPF programs cost by the kernel's own statistics, and
 * how much memory BPF maps take: what a profiler says of itself is not asked.
 */
#ifndef PYPROF_BENCH_PROGRAM_COST_H
#define PYPROF_BENCH_PROGRAM_COST_H

#include <sys/types.h>

#include "pyprof/types.h"

struct program_cost {
	u64 run_ns;
	u64 runs;
};

/* The kernel counts as long as the descriptor that this returns is open. */
int program_cost_enable(void);

struct program_cost program_cost_of_fd(int fd);

/* Sums over the programs that process pid holds open; name NULL: all of them. */
struct program_cost program_cost_of_process(pid_t pid, const char *name);

/* Memory of the maps that process pid holds open. */
u64 map_size_of_process(pid_t pid);

/* Bytes that were written so far to the ring buffers that process pid holds open, their headers included. */
u64 ring_written_of_process(pid_t pid);

static inline struct program_cost program_cost_since(struct program_cost now, struct program_cost then)
{
	return (struct program_cost){.run_ns = now.run_ns - then.run_ns, .runs = now.runs - then.runs};
}

static inline double program_cost_us(struct program_cost cost)
{
	return cost.runs ? cost.run_ns / 1e3 / cost.runs : 0;
}

#endif
