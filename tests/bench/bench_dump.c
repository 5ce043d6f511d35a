// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bench_dump.c - one dump of a process with 200 threads that all want to run: what it
 * takes, and what the process notices; beside py-spy's, which stops the process, if
 * PyPI can be reached. A standstill is the longest time in which none of the threads
 * got a piece of work done, which is some milliseconds also while nobody looks: the
 * interpreter's lock goes from hand to hand, and the CPUs are shared.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <pthread.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/bench/bench.h"
#include "tests/bench/child.h"
#include "tests/bench/workload.h"

#define THREADS	     "200"
#define DUMPS	     20
#define ROUNDS	     4
#define ROUND_S	     3
#define DUMP_PERIOD  0.1
#define MAX_DUMPS    256
#define FIRST_WORK_S 20
#define LOOK_S	     0.0002

struct target {
	pid_t pid;
	const volatile u64 *done; /* pieces of work, by all its threads */
};

/* Another way to the same dump. */
struct dumper {
	const char *name;
	const char *argv[8]; /* the process's number comes behind */
	double wall_goal_ms, slowdown_goal_percent;
};

static struct target target_start(void)
{
	char path[256], script[256];
	struct target target;

	snprintf(path, sizeof(path), "%s/busy_threads", bench_scratch());
	workload_script("busy_threads.py", script, sizeof(script));
	target.pid = child_start((const char *const[]){workload_python(), script, path, THREADS, NULL}, ANY_CPU, NULL);
	bench_sleep(1);

	_cleanup_(fd) int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		bench_die("busy_threads.py did not begin");
	target.done = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (target.done == MAP_FAILED)
		bench_die("cannot map %s", path);
	for (int i = 0; i < FIRST_WORK_S * 10 && !*target.done; i++)
		bench_sleep(0.1);
	if (!*target.done)
		bench_die("busy_threads.py does nothing");
	bench_sleep(1);
	return target;
}

static pid_t dump_start(const struct dumper *dumper, const struct target *target)
{
	const char *argv[10];
	char pid[16];
	size_t cnt = 0;

	snprintf(pid, sizeof(pid), "%d", target->pid);
	while (dumper->argv[cnt]) {
		argv[cnt] = dumper->argv[cnt];
		cnt++;
	}
	argv[cnt++] = pid;
	argv[cnt] = NULL;
	return child_start(argv, ANY_CPU, NULL);
}

static void line(const struct dumper *dumper, const char *what, double value, const char *unit, double goal)
{
	char name[80];

	snprintf(name, sizeof(name), "%s_%s", dumper->name, what);
	bench_line(name, value, unit, goal);
}

static void measure_cost(const struct dumper *dumper, const struct target *target)
{
	double wall_ms[MAX_DUMPS], cpu_ms[MAX_DUMPS];
	u32 cnt = bench_times(DUMPS), failed = 0;
	u64 rss = 0;

	for (u32 i = 0; i < cnt; i++) {
		struct child_usage usage;
		u64 begin = clock_monotonic_ns();

		failed += child_wait_usage(dump_start(dumper, target), &usage) != 0;
		wall_ms[i] = (clock_monotonic_ns() - begin) / 1e6;
		cpu_ms[i] = usage.cpu_ns / 1e6;
		rss = usage.peak_rss > rss ? usage.peak_rss : rss;
	}
	line(dumper, "wall", bench_median(wall_ms, cnt), "ms", dumper->wall_goal_ms);
	line(dumper, "wall_spread", bench_spread(wall_ms, cnt), "ms", NO_GOAL);
	line(dumper, "cpu", bench_median(cpu_ms, cnt), "ms", NO_GOAL);
	line(dumper, "rss", rss / 1048576.0, "MiB", NO_GOAL);
	line(dumper, "failed", failed, "dumps", NO_GOAL);
}

/* Looks often, without taking a CPU: what is shorter than LOOK_S is no standstill. */
struct watch {
	const struct target *target;
	volatile bool over;
	u64 longest_ns;
};

static void *watch_run(void *ctx)
{
	struct watch *watch = ctx;
	u64 done = *watch->target->done, since_ns = clock_monotonic_ns();

	while (!watch->over) {
		bench_sleep(LOOK_S);
		u64 now_ns = clock_monotonic_ns();
		if (*watch->target->done == done && now_ns - since_ns > watch->longest_ns)
			watch->longest_ns = now_ns - since_ns;
		if (*watch->target->done != done)
			since_ns = now_ns;
		done = *watch->target->done;
	}
	return NULL;
}

/* Dumps at their rate for so long, or nobody at all; what the target got done meanwhile. */
struct round {
	double done_per_s;
	double longest_ms;
};

static struct round measure_round(const struct dumper *dumper, const struct target *target)
{
	struct watch watch = {.target = target};
	pthread_t watcher;

	if (pthread_create(&watcher, NULL, watch_run, &watch))
		bench_die("cannot make a thread");
	u64 begin = clock_monotonic_ns(), done = *target->done, next = begin;
	u64 end = begin + ROUND_S * NS_PER_S;

	while (next < end) {
		if (dumper)
			child_wait(dump_start(dumper, target), NULL);
		next += (u64)(DUMP_PERIOD * NS_PER_S);
		u64 now = clock_monotonic_ns();
		if (next > now)
			bench_sleep((next - now) / 1e9);
	}
	struct round round = {.done_per_s = (*target->done - done) * 1e9 / (clock_monotonic_ns() - begin)};

	watch.over = true;
	pthread_join(watcher, NULL);
	round.longest_ms = watch.longest_ns / 1e6;
	return round;
}

/* Rounds with and without alternate; each with is compared with the mean of its neighbours. */
static void measure_notice(const struct dumper *dumper, const struct target *target)
{
	double slowdown[MAX_DUMPS], with_ms[MAX_DUMPS], without_ms[MAX_DUMPS];
	u32 cnt = bench_times(ROUNDS);
	struct round before = measure_round(NULL, target);

	for (u32 i = 0; i < cnt; i++) {
		struct round with = measure_round(dumper, target), after = measure_round(NULL, target);

		slowdown[i] = 100 * (1 - 2 * with.done_per_s / (before.done_per_s + after.done_per_s));
		with_ms[i] = with.longest_ms;
		without_ms[i] = after.longest_ms;
		before = after;
	}
	line(dumper, "slowdown_at_10_a_second", bench_median(slowdown, cnt), "%", dumper->slowdown_goal_percent);
	line(dumper, "slowdown_spread", bench_spread(slowdown, cnt), "%", NO_GOAL);
	line(dumper, "standstill", bench_median(with_ms, cnt), "ms", NO_GOAL);
	line(dumper, "standstill_without", bench_median(without_ms, cnt), "ms", NO_GOAL);
}

/* Into the scratch directory, so that nothing is left. False when it cannot be had. */
static bool py_spy_install(char *ret, size_t size)
{
	char environment[256], pip[300];

	snprintf(environment, sizeof(environment), "%s/py-spy", bench_scratch());
	snprintf(pip, sizeof(pip), "%s/bin/pip", environment);
	snprintf(ret, size, "%s/bin/py-spy", environment);
	const char *const make[] = {workload_python(), "-m", "venv", environment, NULL};
	const char *const install[] = {pip, "-q", "install", "py-spy", NULL};

	return !child_wait(child_start(make, ANY_CPU, NULL), NULL) &&
	       !child_wait(child_start(install, ANY_CPU, NULL), NULL);
}

int main(void)
{
	const char *profiler = getenv("PYPROF_BPF");
	char py_spy[300];
	struct dumper dumpers[] = {
		{"dump", {profiler, "dump", "-p"}, 20, 2},
		{"dump_text", {profiler, "dump", "--format", "text", "-p"}, NO_GOAL, NO_GOAL},
		{"py_spy_dump", {py_spy, "dump", "--pid"}, NO_GOAL, NO_GOAL},
	};
	bool has_py_spy = py_spy_install(py_spy, sizeof(py_spy));
	struct target target = target_start();

	if (!has_py_spy)
		bench_skip("py_spy_dump", "there is no py-spy to be had from PyPI");
	for (size_t i = 0; i < sizeof(dumpers) / sizeof(*dumpers) - !has_py_spy; i++) {
		measure_cost(&dumpers[i], &target);
		measure_notice(&dumpers[i], &target);
	}
	child_stop(target.pid, SIGKILL);
	return 0;
}
