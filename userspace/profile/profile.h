/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * profile.h - what was counted: (origin, stack) to samples over a time span, and
 * the truth about it. Frames, stacks and strings live in tables that outlast one
 * profile: windows of a stream share them.
 */
#ifndef PYPROF_PROFILE_H
#define PYPROF_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "profile/frame_table.h"
#include "profile/stack_table.h"
#include "profile/string_table.h"
#include "pyprof/limits.h"
#include "pyprof/losses.h"
#include "pyprof/types.h"

/* Where a sample was taken. Interned like everything else, see profile_origin. */
struct origin {
	u32 pid, tid; /* tid 0 unless threads are told apart */
	u32 comm, thread_comm; /* string ids */
};

/* The tables that give ids their meaning. Borrowed by profiles. */
struct profile_tables {
	struct string_table *strings;
	struct frame_table *frames;
	struct stack_table *stacks;
};

int profile_tables_new(struct profile_tables *ret);
void profile_tables_free(struct profile_tables *tables);

/*
 * What is true of the profile besides its stacks; everything that --stats, the
 * summary and a picture's footer say. All since the profile began.
 */
struct truth {
	u64 samples; /* in the profile */
	u64 lost[LOSS_CNT]; /* absent from it, by reason */
	u64 incomplete[LOSS_CNT]; /* in it, with an [unknown] or [truncated] frame */
	u64 python_samples, python_complete;
	u64 start_realtime_ns;
	double seconds, first_sample_s;
	u32 hz, cpus;
	u64 bpf_ns, bpf_runs;
	double agent_cpu_s;
	u64 ring_bytes, map_bytes, rss_bytes;
	u32 processes, python_processes; /* seen */
	struct python_version_cnt {
		char version[24];
		u32 processes;
	} versions[32]; /* sorted by version; ends with "" */
};

u64 truth_lost(const struct truth *truth); /* the sum of lost[] */
/* (agent_cpu_s + bpf_ns) / samples, in microseconds; 0 without samples. */
double truth_us_per_sample(const struct truth *truth);
/* The text summary of stderr, a few lines, the last one without newline. */
struct strbuf;
void truth_put_words(const struct truth *truth, struct strbuf *b);

struct profile;

int profile_new(const struct profile_tables *tables, struct profile **ret);
void profile_free(struct profile *profile);
DEFINE_CLEANUP(profile, struct profile *, profile_free)

/* Interned for the profile's life. -ENOSPC at the bound. */
int profile_origin(struct profile *profile, const struct origin *origin, u32 *ret);
const struct origin *profile_origin_at(const struct profile *profile, u32 id);

/* The hot path: one look-up, one addition. */
int profile_add(struct profile *profile, u32 origin, u32 stack, u64 samples);
/* Forgets the counts, keeps the origins. */
void profile_clear(struct profile *profile);

struct profile_entry {
	u32 origin, stack;
	u64 samples;
};

size_t profile_cnt(const struct profile *profile);
const struct profile_entry *profile_at(const struct profile *profile, size_t i);
u64 profile_samples(const struct profile *profile);
const struct profile_tables *profile_tables_of(const struct profile *profile);

/* How a person wants frames and roots written (--no-lines, --no-pid, --threads). */
struct view {
	bool lines, pids, threads;
};

/* "COMM (PID)" and "COMM (TID)"; without pids just "COMM". */
void origin_put_process(const struct profile *profile, const struct origin *origin, const struct view *view,
			struct strbuf *b);
void origin_put_thread(const struct profile *profile, const struct origin *origin, struct strbuf *b);
/*
 * QUALNAME (FILE:LINE), SYMBOL (libfoo.so.1), SYMBOL_[k], [unknown: REASON]. LINE
 * is ? when unknown; QUALNAME (FILE) without lines.
 */
void frame_put(const struct profile_tables *tables, const struct frame *frame, const struct view *view,
	       struct strbuf *b);

#endif
