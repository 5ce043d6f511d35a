/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * stacks.h - what the profiler's folded output says of its samples: how deep they
 * are, and what is missing. So that a figure for a stack of 30 frames is one of
 * stacks that did have 30 frames. Reads a file of lines and a stream of windows
 * (README, "Folded output").
 */
#ifndef PYPROF_BENCH_STACKS_H
#define PYPROF_BENCH_STACKS_H

#include <sys/types.h>

#include "pyprof/types.h"

/* Sums over samples. */
struct stacks {
	u64 samples;
	u64 whole; /* samples without [truncated] and [unknown] */
	u64 no_table; /* samples with [truncated: no-table] */
	u64 python, native, kernel; /* frames */
};

/* Adds the profile's stacks of one process. Gives up when there is no such file. */
void stacks_add(struct stacks *stacks, const char *path, pid_t pid);

/* A window of a stream. */
struct stacks_window {
	u64 start_ns; /* CLOCK_REALTIME, of whole milliseconds */
	double seconds;
	struct stacks stacks;
};

/* The first so many windows of a stream; how many there were. */
u32 stacks_read_windows(const char *path, struct stacks_window *ret, u32 max);

#endif
