/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* perf_event.h - the clock that interrupts each CPU, one perf event for each that is online; or one thread. */
#ifndef PYPROF_PERF_EVENT_H
#define PYPROF_PERF_EVENT_H

#include <stdbool.h>
#include <stddef.h>

#include "pyprof/types.h"

/*
 * Opens the sampling event of one CPU, not yet counting: hardware cycles where the
 * machine has a PMU, else the CPU clock. *hardware, when true, is set to false once
 * the PMU refused. Returns a descriptor or -errno.
 */
int perf_event_open_cpu(int cpu, u32 frequency_hz, bool *hardware);
/* Likewise of one thread, wherever it runs, and only while it does. -ESRCH: it is gone. */
int perf_event_open_thread(u32 tid, u32 frequency_hz, bool *hardware);

/* Online CPUs, at most MAX_CPUS. */
int cpus_online(int *cpus, size_t capacity, size_t *ret_cnt);
/* Text like "0-3,8". Pure. */
int cpus_parse(const char *text, int *cpus, size_t capacity, size_t *ret_cnt);

/* CPU time that all CPUs together were not idle, waiting for I/O, or stolen from, since boot. */
int cpus_busy_ns(u64 *ret);
/* The same of the text of /proc/stat. Pure. */
int cpus_busy_parse(const char *text, u64 *ret_ticks);

#endif
