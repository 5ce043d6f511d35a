/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/clock.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

static u64 clock_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

u64 clock_monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

u64 clock_realtime_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

u64 clock_own_cpu_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_S +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000ull;
}

void clock_format_rfc3339(u64 realtime_ns, char *ret, size_t size)
{
	time_t seconds = realtime_ns / NS_PER_S;
	struct tm utc;
	char date[24];

	gmtime_r(&seconds, &utc);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(ret, size, "%s.%03uZ", date, (unsigned)(realtime_ns % NS_PER_S / NS_PER_MS));
}
