/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sideband.h - which memory became executable, on the whole machine: perf's
 * MMAP2 records, by a dummy event per CPU, made into the records of record.h.
 * Times are CLOCK_MONOTONIC, pids are those of our PID namespace.
 *
 * Delivered are, in the order of time:
 *   RECORD_MAPPING        struct mapping_record; a path of "" is anonymous memory. With start and end both 0: the
 *                         process began an exec and what it had mapped is gone. (The new program's mappings follow,
 *                         and only then RECORD_EXEC, which the BPF side sends when all of them are in place.)
 *   RECORD_MAPPINGS_LOST  a ring or our queue was full.
 * Not reported by the kernel: munmap, and what was mapped before sideband_open.
 */
#ifndef PYPROF_SIDEBAND_H
#define PYPROF_SIDEBAND_H

#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/record.h"

struct sideband;

/* CPUs that are offline are left out. -EPERM, -EACCES: needs CAP_PERFMON. */
int sideband_open(const int *cpus, size_t cpu_cnt, struct sideband **ret);
void sideband_close(struct sideband *sideband); /* NULL is fine */
DEFINE_CLEANUP(sideband, struct sideband *, sideband_close)

/* One descriptor for poll and epoll, whatever the CPUs: readable once when some ring is a quarter full. */
int sideband_fd(const struct sideband *sideband);

/*
 * Calls on_record with everything that had happened when the call began. When
 * on_record gives other than 0, stops with that; the rest stays for the next call.
 * What happens meanwhile waits too, since another CPU may yet tell of an earlier time.
 */
int sideband_drain(struct sideband *sideband, int (*on_record)(void *ctx, const struct record *record), void *ctx);

/* Hotplug. Adding one that is there is fine; what a removed CPU had to say is delivered by the next drain. */
int sideband_add_cpu(struct sideband *sideband, int cpu);
void sideband_remove_cpu(struct sideband *sideband, int cpu);

/* Memory of all rings, in bytes. */
size_t sideband_ring_size(const struct sideband *sideband);

#endif
