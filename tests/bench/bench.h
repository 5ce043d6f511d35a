/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bench.h - what every benchmark shares: its lines of output, how long to
 * measure, and how to give up. A line is NAME<TAB>VALUE<TAB>UNIT<TAB>GOAL,
 * where GOAL is `-` or says whether it was met; lines that begin with # are
 * remarks for people.
 */
#ifndef PYPROF_BENCH_H
#define PYPROF_BENCH_H

#include "pyprof/types.h"

#define NO_GOAL 0.0

/* A goal is the most that is good. */
void bench_line(const char *name, double value, const char *unit, double goal);
__attribute__((format(printf, 2, 3))) void bench_skip(const char *name, const char *format, ...);
__attribute__((format(printf, 1, 2))) void bench_note(const char *format, ...);
__attribute__((format(printf, 1, 2))) _Noreturn void bench_die(const char *format, ...);

/* The quick figure, or four times as much under BENCH_LONG=1. */
u32 bench_times(u32 quick);

/* Scratch directory of this run, made and removed by run.sh. */
const char *bench_scratch(void);

void bench_sleep(double seconds);
/* CPU time of this process. */
u64 bench_cpu_ns(void);
u32 bench_cpu_cnt(void);

double bench_median(double *values, u32 cnt);
/* Half the distance between the quartiles: half of all values lie within median +- spread. */
double bench_spread(double *values, u32 cnt);

#endif
