/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * harness.h - programs to profile, the profiler, and what they say. Whatever is
 * started here is gone when its test ends, however that is; whatever takes too
 * long fails the test. Every function fails the test when it cannot do its job.
 *
 * The tests run from the top of the source tree. Environment:
 *   PYPROF_BUILD   where pyprof-bpf and tests/workloads/ were built ("build")
 *   PYPROF_LONG    1: the lengths that `make test-long` asks for
 *   PYPROF_KEEP    if set, /tmp/pyprof-e2e-* stay (in the roots too), to be looked at
 */
#ifndef PYPROF_TESTS_HARNESS_H
#define PYPROF_TESTS_HARNESS_H

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "tests/e2e/check.h"

/* One of these opens each file; the suite's processes and places go with its tests. */
void harness_begin(void);
void harness_end(void);
#define E2E_SUITE(name, seconds) TestSuite(name, .init = harness_begin, .fini = harness_end, .timeout = (seconds))

bool long_run(void);

/* --- interpreters ------------------------------------------------------- */

struct python {
	char name[32]; /* sid-3.15 */
	char path[200]; /* as seen inside root */
	char root[200]; /* "/": no chroot */
	int major, minor;
};

bool python_is_since(const struct python *python, int major, int minor);
/* Does one activation of the eval loop execute the Python functions that its function calls? */
bool python_has_runs(const struct python *python);
bool python_has_gil(const struct python *python);
/*
 * Does something on the C stack tell where each run of Python frames belongs? To 3.9
 * nothing does, so there the merge is counted, and not verified.
 */
bool python_has_anchors(const struct python *python);
/*
 * Asked: the length of a long run; else 10 s. 3 s to 3.10, which are many and change no more, and for the second of a
 * version, where all is laid out as in the first. nearly_all() of 3,000 samples allows two that are not; two of a million
 * were not whole, so three are by chance in one test of 30 million.
 */
double sampling_seconds(const struct python *python, double asked);

/* Those of tools/get_pythons.sh --list. */
size_t pythons_list(struct python *ret, size_t max);
#define MAX_PYTHONS 32
/* One test per interpreter: ParameterizedTest(struct python *python, suite, name). */
struct criterion_test_params pythons_as_parameters(void);
/* Those alone that the test is about. */
struct criterion_test_params pythons_that(bool (*is_meant)(const struct python *python));
/* The newest of them, for tests that need just one. */
struct python python_any(void);

/* --- places ------------------------------------------------------------- */

/* A new directory with a copy of all workloads, gone after the test. */
struct place {
	char outside[260]; /* its path here */
	char inside[60]; /* its path as seen inside the root */
};
struct place place_in(const char *root);
/* outside/name; kept until the test ends. */
const char *in_place(const struct place *place, const char *name);
/* Printf into memory that is kept until the test ends. */
__attribute__((format(printf, 1, 2))) const char *text_of(const char *format, ...);
/* The whole file, NULL when there is none. */
char *file_text(const char *path);
bool file_exists(const char *path);

/* --- processes ---------------------------------------------------------- */

struct start {
	const char *root; /* NULL: no chroot */
	const char *directory; /* NULL: ours; inside root */
	const char *environment[8]; /* NAME=VALUE */
	uid_t uid; /* 0: stay root */
	int in, out, err; /* descriptors; 0: nothing in, and files that are read with child_out */
	bool own_terminal; /* stdin is to be the controlling terminal */
};

struct child {
	pid_t pid;
	int out, err; /* memory files */
	int status; /* as a shell has it: 128+N for signal N; -1: runs */
	double cpu_s; /* user and system, once it is reaped */
};

struct child *child_start(const struct start *how, const char *const argv[]);
/* `path script args`, script and workplace as seen in its root, NULL at the end. */
struct child *python_start(const struct python *python, const struct place *place, const char *script, ...);
/* Runs a workload built from C. */
struct child *native_start(const struct place *place, const char *name, ...);
/* Until its stdout has a line `ready`. */
void child_ready(struct child *child, double seconds);
bool child_is_running(struct child *child);
/* Its status; fails the test if it has not ended within so many seconds. */
int child_wait(struct child *child, double seconds);
void child_signal(struct child *child, int signal);
void child_kill(struct child *child);
/* So far; kept until the test ends. */
const char *child_out(const struct child *child);
const char *child_err(const struct child *child);
/* CPU time that its threads used so far, from the scheduler's own clock. */
double child_cpu_s(const struct child *child);
/* Zombies and orphans that nobody but us can have left; only after all children are waited for. */
size_t children_left(void);

double now_s(void);
void sleep_s(double seconds);

/* Samples that a busy workload gets even on a machine that has little time for it. */
#define FEW 50

/* --- the profiler ------------------------------------------------------- */

const char *profiler_path(void);
struct child *profiler_start(const struct start *how, const char *arg, ...);
/* Until its perf events are open. */
void profiler_sampling(struct child *profiler);
/* Runs to its end, which must come within so many seconds. */
struct child *profiler_run(double seconds, const char *arg, ...);

struct profile {
	struct folded folded;
	json_t *stats;
};
/* What `-o out.folded --stats stats.json` left in place; well formed and in agreement. */
struct profile profile_read(const struct place *place);
u64 stats_number(const json_t *stats, const char *a, const char *b);
u64 stats_lost(const json_t *stats);

/* Samples a process (with its children, if asked) into place, with stats, and reads both. */
struct profile profile_pid(const struct place *place, pid_t pid, int hz, double seconds, bool children);

#define expect_null_problem(expression, ...)                                        \
	do {                                                                        \
		const char *problem_ = (expression);                                \
		cr_assert_null(problem_, "%s: %s", text_of(__VA_ARGS__), problem_); \
	} while (0)

#endif
