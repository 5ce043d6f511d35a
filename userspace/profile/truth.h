/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * truth.h - what is true of a profile besides its stacks; everything that --stats,
 * the summary and a picture's footer say. All since the profile began.
 */
#ifndef PYPROF_TRUTH_H
#define PYPROF_TRUTH_H

#include <stdbool.h>

#include "pyprof/losses.h"
#include "pyprof/types.h"

struct strbuf;

/* Of samples with a native stack. */
struct native_truth {
	u64 samples;
	u64 complete; /* it reached the thread's first frame */
	u64 fallback; /* finished by libunwind */
};

/* Of samples with both Python frames and a native stack: how the runs of Python frames got their places. */
struct merge_truth {
	u64 verified; /* each by its anchor on the stack, or it lies outward of where the walk ended */
	u64 counted; /* by their number and order alone */
	u64 unmerged; /* not all of them got one */
};

struct truth {
	u64 samples; /* in the profile */
	u64 lost[LOSS_CNT]; /* absent from it, by reason */
	u64 incomplete[LOSS_CNT]; /* in it, with an [unknown] or [truncated] frame */
	u64 python_samples, python_complete;
	struct native_truth native;
	struct merge_truth merge;
	u64 start_realtime_ns;
	double seconds, first_sample_s;
	u32 hz, cpus;
	u64 untold; /* news beside samples (processes, cgroups, code) that found no room: what is unknown for it says so */
	u64 bpf_ns, bpf_runs;
	double agent_cpu_s;
	u64 ring_bytes, map_bytes, rss_bytes;
	u32 processes, python_processes; /* seen */
	struct python_version_cnt {
		char version[24];
		u32 processes;
	} versions[32]; /* sorted by version; ends with "" */

	u64 whole_samples; /* of the run, when this is of a part of it: lost[] is the run's; else 0 */
	bool from_file; /* read back: what the run cost and how its stacks came about is not known ... */
	bool losses_unknown; /* ... nor what it lost: `lost` is what we know of it */
};

#define TRUTH_VERSION_CNT (sizeof(((struct truth *)0)->versions) / sizeof(struct python_version_cnt))

/* One more process that runs this version. What does not fit into the table is counted as a process only. */
void truth_add_python(struct truth *truth, const char *version);

u64 truth_lost(const struct truth *truth); /* the sum of lost[] */
/* How many samples have their whole stack, at least: one that misses two things is subtracted twice. */
u64 truth_complete(const struct truth *truth);
/*
 * Of the time between two looks at a run: what is counted is subtracted; it starts where `before` ended. What describes
 * the run as a whole (cpus, hz, memory, versions) is now's.
 */
void truth_since(const struct truth *now, const struct truth *before, struct truth *ret);
/* (agent_cpu_s + bpf_ns) / samples, in microseconds; 0 without samples. */
double truth_us_per_sample(const struct truth *truth);
/* Rounded down, so that "100.00 %" is said only of what is whole. 100 of nothing. */
double truth_percent(u64 part, u64 whole);
/* The text summary of stderr, a few lines, the last one without newline. */
void truth_put_words(const struct truth *truth, struct strbuf *b);

#endif
