/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* host.h - a host with many processes: Python services, busy for a fortieth of their time each, and sleepers. */
#ifndef PYPROF_BENCH_HOST_H
#define PYPROF_BENCH_HOST_H

#include <sys/types.h>

#include "pyprof/types.h"

#define MAX_HOST_PROCESSES 512

struct host {
	pid_t pid[MAX_HOST_PROCESSES];
	u32 cnt;
};

/* Services import for about two seconds before they serve. */
void host_add_services(struct host *host, u32 cnt);
/* As many sleepers as make this host have so many processes, those of others included. */
void host_fill(struct host *host, u32 cnt);
void host_stop(struct host *host);

/* Processes with memory of their own; kernel threads, which have no command line, cost nothing to find. */
u32 processes_alive(void);

#endif
