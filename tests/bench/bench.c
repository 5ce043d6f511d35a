// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tests/bench/bench.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

void bench_line(const char *name, double value, const char *unit, double goal)
{
	printf("%s\t%.3f\t%s\t", name, value, unit);
	if (goal == NO_GOAL)
		printf("-\n");
	else
		printf("<= %g %s\n", goal, value <= goal ? "met" : "MISSED");
	fflush(stdout);
}

void bench_skip(const char *name, const char *format, ...)
{
	va_list args;

	printf("%s\tskipped\t-\t", name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

void bench_note(const char *format, ...)
{
	va_list args;

	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

void bench_die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "bench: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(1);
}

u32 bench_times(u32 quick)
{
	const char *text = getenv("BENCH_LONG");

	return text && *text && *text != '0' ? quick * 4 : quick;
}

const char *bench_scratch(void)
{
	const char *directory = getenv("BENCH_SCRATCH");

	if (!directory)
		bench_die("BENCH_SCRATCH is not set: start benchmarks with `make bench`");
	return directory;
}

void bench_sleep(double seconds)
{
	struct timespec rest = {.tv_sec = seconds, .tv_nsec = fmod(seconds, 1) * 1e9};

	while (nanosleep(&rest, &rest) && errno == EINTR)
		;
}

u64 bench_cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

u32 bench_cpu_cnt(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double quantile(double *values, u32 cnt, double share)
{
	qsort(values, cnt, sizeof(*values), compare);

	double at = share * (cnt - 1);
	u32 below = at;
	u32 above = below + 1 < cnt ? below + 1 : below;

	return values[below] + (at - below) * (values[above] - values[below]);
}

double bench_median(double *values, u32 cnt)
{
	return quantile(values, cnt, 0.5);
}

double bench_spread(double *values, u32 cnt)
{
	return (quantile(values, cnt, 0.75) - quantile(values, cnt, 0.25)) / 2;
}
