/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "capture/perf_event.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "pyprof/limits.h"

static int event_open(u32 type, u64 config, int tid, int cpu, u32 frequency_hz)
{
	struct perf_event_attr attr = {
		.type = type,
		.config = config,
		.size = sizeof(attr),
		.freq = 1,
		.sample_freq = frequency_hz,
		.disabled = 1,
	};
	int fd = syscall(SYS_perf_event_open, &attr, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int clock_open(int tid, int cpu, u32 frequency_hz, bool *hardware)
{
	if (*hardware) {
		int fd = event_open(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, tid, cpu, frequency_hz);
		if (fd >= 0 || fd == -ENODEV || fd == -ESRCH || fd == -EMFILE)
			return fd;
		*hardware = false;
	}
	return event_open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, tid, cpu, frequency_hz);
}

int perf_event_open_cpu(int cpu, u32 frequency_hz, bool *hardware)
{
	return clock_open(-1, cpu, frequency_hz, hardware);
}

int perf_event_open_thread(u32 tid, u32 frequency_hz, bool *hardware)
{
	return clock_open(tid, -1, frequency_hz, hardware);
}

int cpus_parse(const char *text, int *cpus, size_t capacity, size_t *ret_cnt)
{
	size_t cnt = 0;

	while (*text && *text != '\n') {
		char *end;
		unsigned long first = strtoul(text, &end, 10), last = first;

		if (end == text)
			return -EINVAL;
		if (*end == '-') {
			text = end + 1;
			last = strtoul(text, &end, 10);
			if (end == text)
				return -EINVAL;
		}
		if (last < first || last >= MAX_CPUS)
			return -ERANGE;
		for (unsigned long cpu = first; cpu <= last; cpu++) {
			if (cnt == capacity)
				return -ENOSPC;
			cpus[cnt++] = (int)cpu;
		}
		if (*end && *end != ',' && *end != '\n')
			return -EINVAL;
		text = *end == ',' ? end + 1 : end;
	}
	*ret_cnt = cnt;
	return 0;
}

int cpus_online(int *cpus, size_t capacity, size_t *ret_cnt)
{
	_cleanup_(free) char *text = NULL;
	size_t size;
	int err = file_read("/sys/devices/system/cpu/online", 65536, &text, &size);

	if (err)
		return err;
	return cpus_parse(text, cpus, capacity, ret_cnt);
}

int cpus_busy_parse(const char *text, u64 *ret_ticks)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq;

	if (sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &iowait, &irq,
		   &softirq) != 7)
		return -EINVAL;
	*ret_ticks = user + nice + system + irq + softirq;
	return 0;
}

int cpus_busy_ns(u64 *ret)
{
	_cleanup_(free) char *text = NULL;
	size_t size;
	u64 ticks;
	int err = file_read("/proc/stat", 1 << 24, &text, &size);

	if (!err)
		err = cpus_busy_parse(text, &ticks);
	if (!err)
		*ret = ticks * (NS_PER_S / sysconf(_SC_CLK_TCK));
	return err;
}
