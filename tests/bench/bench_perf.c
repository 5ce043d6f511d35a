// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bench_perf.c - the peer that everybody has: `perf record -g` of the whole
 * machine on bench_agent's workload at the same rates, and with --call-graph dwarf,
 * which copies 8 KiB of stack with each sample, on that of bench_native: 30 native
 * frames without frame pointers. Its samples are counted by its own word. Two
 * things are missing in its figures that bench_agent's hold: what a sample costs
 * inside the interrupt, which nobody counts for perf, and names, which perf finds
 * when `perf script` reads the file. So the steady state of `perf record` is a copy
 * of raw addresses; with `perf script` the result is of the same kind as ours,
 * without Python. dwarf's steady state is not even that: the stacks are still bytes.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "tests/bench/bench.h"
#include "tests/bench/child.h"
#include "tests/bench/workload.h"

#define DEPTH	 30
#define SETTLE_S 2

static const u32 rates[] = {99, 999};

/* How it follows the stack, on what. */
static const struct method {
	const char *name, *option; /* of --call-graph */
	const char *kind; /* of the workload */
	u32 cnt;
	u32 seconds;
} methods[] = {
	{"perf_record_g", "fp", "python", 0, 6},
	{"perf_record_dwarf", "dwarf", "levels", 11, 4},
};

struct paths {
	char data[256], log[256];
};

/* Out of "[ perf record: Captured and wrote 0.421 MB perf.data (1998 samples) ]". */
static u32 samples_written(const struct paths *paths)
{
	char line[512];
	unsigned samples = 0;
	_cleanup_(stream) FILE *log = fopen(paths->log, "re");

	while (log && fgets(line, sizeof(line), log)) {
		const char *at = strrchr(line, '(');

		if (at && sscanf(at, "(%u samples)", &samples) == 1)
			return samples;
	}
	return 0;
}

struct recording {
	u64 cpu_ns; /* whole run: start, end and what it looks up there included */
	u64 steady_ns; /* of SECONDS in its middle */
	int status;
};

static struct recording record(const struct method *method, const struct paths *paths, u32 hz, u32 seconds)
{
	struct recording recording;
	char rate[16], duration[16];

	snprintf(rate, sizeof(rate), "%u", hz);
	snprintf(duration, sizeof(duration), "%u", SETTLE_S + seconds + 1);

	const char *argv[] = {"perf", "record",	   "-a", "--call-graph", method->option, "-e", "cpu-clock", "-F", rate,
			      "-o",   paths->data, "--", "sleep",	 duration,	 NULL};
	pid_t pid = child_start(argv, ANY_CPU, paths->log);

	bench_sleep(SETTLE_S);
	u64 before_ns = child_cpu_ns(pid);
	bench_sleep(seconds);
	recording.steady_ns = child_cpu_ns(pid) - before_ns;
	recording.status = child_wait(pid, &recording.cpu_ns);
	return recording;
}

/* Without inlined functions, which we do not name either: they take fifty times as long. */
static u64 script_cpu_ns(const struct paths *paths)
{
	const char *argv[] = {"perf", "script", "--no-inline", "-i", paths->data, NULL};
	u64 cpu_ns;

	child_wait(child_start(argv, ANY_CPU, NULL), &cpu_ns);
	return cpu_ns;
}

static u64 file_size(const char *path)
{
	struct stat status;

	return stat(path, &status) ? 0 : status.st_size;
}

static void line(const struct method *method, const char *what, u32 hz, double value, const char *unit)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_%s_%uhz", method->name, what, hz);
	bench_line(name, value, unit, NO_GOAL);
}

static void measure(const struct method *method, u32 hz)
{
	struct paths paths;
	u32 seconds = bench_times(method->seconds);

	snprintf(paths.data, sizeof(paths.data), "%s/perf.data", bench_scratch());
	snprintf(paths.log, sizeof(paths.log), "%s/perf.log", bench_scratch());

	struct recording recording = record(method, &paths, hz, seconds);
	double samples = samples_written(&paths);

	if (recording.status || samples == 0) {
		bench_skip(method->name, "perf recorded nothing at %u Hz", hz);
		return;
	}
	double steady_samples = samples * seconds / (SETTLE_S + seconds + 1);

	line(method, "steady", hz, recording.steady_ns / 1e3 / steady_samples, "us/sample");
	line(method, "whole_run", hz, recording.cpu_ns / 1e3 / samples, "us/sample");
	line(method, "file", hz, file_size(paths.data) / samples, "bytes/sample");
	line(method, "and_script", hz, (recording.cpu_ns + script_cpu_ns(&paths)) / 1e3 / samples, "us/sample");
}

static void measure_method(const struct method *method)
{
	struct workload *workload = workload_start_kind(DEPTH, method->kind, method->cnt);

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		measure(method, rates[i]);
	workload_stop(workload);
}

int main(void)
{
	const char *version[] = {"perf", "--version", NULL};

	if (child_wait(child_start(version, ANY_CPU, NULL), NULL)) {
		bench_skip("perf_record_g", "there is no perf here: apt-get install linux-perf");
		return 0;
	}
	bench_note("perf: without the interrupt's side; named only with `and_script`");
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		measure_method(&methods[i]);
	return 0;
}
