/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * check.h - is what the profiler wrote well formed, and is it true? Pure: text in,
 * verdict out. tests/unit/test_checkers.c shows that each check can fail.
 *
 * Functions that return a string return NULL when all is well, else what is
 * wrong, valid until the next call.
 */
#ifndef PYPROF_TESTS_CHECK_H
#define PYPROF_TESTS_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "pyprof/types.h"

/* A folded profile. frames[0] is `COMM (PID)`. */
struct folded_line {
	char **frames;
	size_t frame_cnt;
	u64 count;
};

struct folded {
	struct folded_line *lines;
	size_t cnt;
	u64 samples; /* sum of the counts */
	char *text; /* what the frames point into */
};

/* Fails on the slightest departure from the format: order, UTF-8, control bytes, unknown reasons. */
const char *folded_parse(const char *text, struct folded *ret);
void folded_free(struct folded *folded);

/* Copies the lines of one process (or of all whose comm this is), to be freed likewise. */
struct folded folded_of_pid(const struct folded *folded, int pid);
struct folded folded_of_comm(const struct folded *folded, const char *comm);
/* Samples with this frame anywhere; with `*` at its end, a frame that begins so. */
u64 folded_count(const struct folded *folded, const char *frame);

enum frame_kind { FRAME_BAD, FRAME_PYTHON, FRAME_NATIVE, FRAME_KERNEL, FRAME_UNKNOWN, FRAME_TRUNCATED, FRAME_MARK };
enum frame_kind frame_kind_of(const char *frame);
/* The PID of `COMM (PID)`; -1 if it is none. */
int frame_pid(const char *frame);

struct verdict {
	u64 samples;
	u64 complete; /* has Python frames, and no [unknown] or [truncated] one */
	u64 named; /* check_reuse: has a name made for the occasion */
	u64 impossible;
	char first_impossible[600];
	char first_incomplete[600];
};

/* The pairs that tests/workloads/truth.py wrote. */
struct pairs {
	char **at;
	size_t cnt;
	char *text;
};

const char *pairs_parse(const char *text, struct pairs *ret);
void pairs_free(struct pairs *pairs);

/* Every sample must be of threads that run Python and nothing else. */
struct verdict check_stacks(const struct folded *folded, const struct pairs *pairs);
/* Of tests/workloads/reuse.py: does each made name go with its file, line and caller? */
struct verdict check_reuse(const struct folded *folded);

/* At least 99.9 %. A single sample is not held against fewer than 1,000, which a busy machine makes of seconds. */
bool nearly_all(u64 part, u64 whole);
/* Is k of n within the binomial 99.9 % interval around the share p? */
bool share_is_plausible(u64 k, u64 n, double p);

/* The stream of `--all` without -o: windows with their folded lines. */
struct windows {
	size_t cnt;
	u64 samples, lost;
	double seconds;
	double first_seconds; /* of the first window */
	u64 hz;
};

const char *check_windows(const char *text, struct windows *ret);
/* --list-losses, against losses.h. */
const char *check_loss_list(const char *text);
/* --stats: every key, and numbers that agree with each other and with the profile. */
const char *check_stats(const char *json, const struct folded *folded);
/* One line that begins `pyprof-bpf: `. */
const char *check_error_line(const char *text);
/* Lines `ok|warn|fail<TAB>NAME<TAB>DETAIL`. */
const char *check_doctor(const char *text, bool *ret_fails);
bool is_utf8(const char *text);

#endif
