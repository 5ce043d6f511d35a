/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "process/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"

int proc_read(int directory, const char *name, size_t limit, char **ret, size_t *ret_size)
{
	_cleanup_(fd) int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : file_read_fd(fd, limit, ret, ret_size);
}

/* Field 22 of /proc/PID/stat. The second is the name, with any characters in it, between parentheses. */
static int proc_read_start_ticks(int directory, u64 *ret)
{
	_cleanup_(free) char *stat = NULL;
	size_t size;

	int err = proc_read(directory, "stat", 65536, &stat, &size);
	if (err)
		return err;
	char *at = strrchr(stat, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at && sscanf(at, " %llu", ret) == 1 ? 0 : -EBADMSG;
}

/* How far our time namespace moves the boot clock, and with it what /proc says of start times. */
static s64 boot_offset_ns(void)
{
	_cleanup_(stream) FILE *offsets = fopen("/proc/self/timens_offsets", "re");
	long long seconds, ns;
	char clock[32];

	while (offsets && fscanf(offsets, "%31s %lld %lld", clock, &seconds, &ns) == 3) {
		if (!strcmp(clock, "boottime"))
			return seconds * (s64)NS_PER_S + ns;
	}
	return 0;
}

/* -ESRCH when the directory is of another process that got the same pid. */
static int proc_verify(int directory, const struct process_id *id)
{
	u64 tick_ns = NS_PER_S / sysconf(_SC_CLK_TCK), ticks;

	if (!id->start_ns)
		return 0;
	int err = proc_read_start_ticks(directory, &ticks);
	if (err)
		return err;
	if (ticks == id->start_ns / tick_ns || ticks == (id->start_ns + boot_offset_ns()) / tick_ns)
		return 0;
	return -ESRCH;
}

int proc_open(const struct process_id *id, int *ret)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u", id->pid);
	_cleanup_(fd) int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return -errno;
	int err = proc_verify(directory, id);
	if (err)
		return err;
	*ret = take_fd(directory);
	return 0;
}
