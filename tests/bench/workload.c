// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tests/bench/workload.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/bench/bench.h"
#include "tests/bench/child.h"

#define START_LIMIT_NS (10 * NS_PER_S)
#define QUIET_SHARE    97 /* % of all CPU time; the profiler itself takes some */

struct workload {
	u32 cnt;
	pid_t pid[MAX_CPUS];
	volatile u64 *done[MAX_CPUS]; /* each in a page that the process shares with us */
};

const char *workload_python(void)
{
	const char *python = getenv("BENCH_PYTHON");

	return python ? python : "python3";
}

const char *workload_script(const char *name, char *ret, u32 size)
{
	const char *directory = getenv("BENCH_DIR");

	snprintf(ret, size, "%s/%s", directory ? directory : "tests/bench", name);
	return ret;
}

static volatile u64 *counter_new(u32 cpu, char *path, size_t size)
{
	snprintf(path, size, "%s/done-%u", bench_scratch(), cpu);
	_cleanup_(fd) int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, 4096))
		bench_die("cannot write %s", path);

	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		bench_die("cannot map %s", path);
	return page;
}

static void wait_for_work(const struct workload *workload, u32 i)
{
	u64 start_ns = clock_monotonic_ns();

	while (!*workload->done[i]) {
		if (clock_monotonic_ns() - start_ns > START_LIMIT_NS)
			bench_die("%s does not run depth.py", workload_python());
		bench_sleep(0.01);
	}
}

struct workload *workload_start(u32 depth)
{
	return workload_start_kind(depth, "python", 0);
}

struct workload *workload_start_kind(u32 depth, const char *kind, u32 cnt)
{
	struct workload *workload = calloc(1, sizeof(*workload));
	char script[256], counter[256], calls[16], kind_cnt[16];

	if (!workload)
		bench_die("no memory");
	workload->cnt = bench_cpu_cnt();
	workload_script("depth.py", script, sizeof(script));
	snprintf(calls, sizeof(calls), "%u", depth);
	snprintf(kind_cnt, sizeof(kind_cnt), "%u", cnt);
	for (u32 i = 0; i < workload->cnt; i++) {
		workload->done[i] = counter_new(i, counter, sizeof(counter));

		const char *argv[] = {workload_python(), script, calls, counter, kind, kind_cnt, NULL};

		workload->pid[i] = child_start(argv, i, NULL);
	}
	for (u32 i = 0; i < workload->cnt; i++)
		wait_for_work(workload, i);
	return workload;
}

void workload_stop(struct workload *workload)
{
	for (u32 i = 0; i < workload->cnt; i++) {
		child_stop(workload->pid[i], SIGKILL);
		munmap((void *)workload->done[i], 4096);
	}
	free(workload);
}

u32 workload_pids(const struct workload *workload, pid_t ret[MAX_CPUS])
{
	memcpy(ret, workload->pid, workload->cnt * sizeof(*ret));
	return workload->cnt;
}

struct workload_progress workload_progress(const struct workload *workload)
{
	struct workload_progress sum = {.wall_ns = clock_monotonic_ns()};

	for (u32 i = 0; i < workload->cnt; i++) {
		sum.done += *workload->done[i];
		sum.cpu_ns += child_cpu_ns(workload->pid[i]);
	}
	return sum;
}

double workload_speed(const struct workload *workload, double seconds)
{
	struct workload_progress before = workload_progress(workload);

	bench_sleep(seconds);
	struct workload_progress after = workload_progress(workload);

	return (after.done - before.done) * 1e9 / (after.cpu_ns - before.cpu_ns);
}

void workload_note_others(const struct workload *workload, struct workload_progress then)
{
	struct workload_progress now = workload_progress(workload);
	double share = 100.0 * (now.cpu_ns - then.cpu_ns) / (now.wall_ns - then.wall_ns) / workload->cnt;

	if (share < QUIET_SHARE)
		bench_note("the machine is not quiet: the workload had %.0f %% of the CPUs, the rest is mixed in below",
			   share);
}
