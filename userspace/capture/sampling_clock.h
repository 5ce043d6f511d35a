/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sampling_clock.h - what interrupts every CPU that is online, HZ times a second,
 * and runs the sampling program there: one perf event and one BPF link for each.
 */
#ifndef PYPROF_SAMPLING_CLOCK_H
#define PYPROF_SAMPLING_CLOCK_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "pyprof/config.h"
#include "pyprof/types.h"

struct bpf_program;
struct sampling_clock;

/* Nothing runs yet. The program is borrowed. */
int sampling_clock_new(struct bpf_program *program, u32 frequency_hz, struct sampling_clock **ret);
void sampling_clock_free(struct sampling_clock *clock);
DEFINE_CLEANUP(sampling_clock, struct sampling_clock *, sampling_clock_free)

/*
 * Starts it on the CPUs that came online since the last call, and forgets those
 * that went. on_change (may be NULL) is told of each. -ENODEV: there is none.
 */
int sampling_clock_check(struct sampling_clock *clock, void (*on_change)(void *ctx, int cpu, bool online), void *ctx);
void sampling_clock_stop(struct sampling_clock *clock);

u32 sampling_clock_cpu_cnt(const struct sampling_clock *clock);
/*
 * How many interrupts did not reach the program, as far as that can be told from
 * outside. counters: what did.
 */
u64 sampling_clock_not_taken(struct sampling_clock *clock, const struct counters *counters);

#endif
