/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* clock.h - now, on the two clocks that matter: the kernel's and the person's. */
#ifndef PYPROF_CLOCK_H
#define PYPROF_CLOCK_H

#include <stddef.h>

#include "pyprof/types.h"

#define NS_PER_S  1000000000ull
#define NS_PER_MS 1000000ull

u64 clock_monotonic_ns(void);
u64 clock_realtime_ns(void);

/* CPU time of this process, user and system, from getrusage. */
u64 clock_own_cpu_ns(void);

/* RFC 3339 in UTC with milliseconds: 2026-11-22T00:07:24.123Z */
void clock_format_rfc3339(u64 realtime_ns, char *ret, size_t size);
#define RFC3339_SIZE 32

#endif
