// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tests/bench/host.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "tests/bench/bench.h"
#include "tests/bench/child.h"
#include "tests/bench/workload.h"

static void host_add(struct host *host, const char *const argv[])
{
	if (host->cnt == MAX_HOST_PROCESSES)
		bench_die("more than %d processes", MAX_HOST_PROCESSES);
	host->pid[host->cnt++] = child_start(argv, ANY_CPU, NULL);
}

void host_add_services(struct host *host, u32 cnt)
{
	char script[256], seed[16];

	workload_script("service.py", script, sizeof(script));
	for (u32 i = 0; i < cnt; i++) {
		const char *argv[] = {workload_python(), script, seed, NULL};

		snprintf(seed, sizeof(seed), "%u", i);
		host_add(host, argv);
	}
}

u32 processes_alive(void)
{
	_cleanup_(directory) DIR *directory = opendir("/proc");
	u32 cnt = 0;

	for (struct dirent *entry; directory && (entry = readdir(directory));) {
		char path[300];

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
		_cleanup_(stream) FILE *file = fopen(path, "re");
		cnt += file && fgetc(file) != EOF;
	}
	return cnt;
}

void host_fill(struct host *host, u32 cnt)
{
	static const char *const argv[] = {"sleep", "3600", NULL};

	for (u32 alive = processes_alive(); alive < cnt; alive++)
		host_add(host, argv);
}

void host_stop(struct host *host)
{
	for (u32 i = 0; i < host->cnt; i++)
		child_stop(host->pid[i], SIGKILL);
}
