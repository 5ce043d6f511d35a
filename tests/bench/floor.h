/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * floor.h - the least that any BPF profiler costs: an empty program, attached to
 * one clock per CPU. What remains is the interrupt and the way to the program.
 */
#ifndef PYPROF_BENCH_FLOOR_H
#define PYPROF_BENCH_FLOOR_H

#include "pyprof/types.h"
#include "tests/bench/program_cost.h"

struct floor;

/* Gives up when the kernel refuses. */
struct floor *floor_open(u32 hz);
void floor_close(struct floor *floor);

struct program_cost floor_cost(const struct floor *floor);

#endif
