/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "process/process_root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"

static int root_find(int pid, const char *path, u64 resolve)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve,
	};
	char root[32] = "/";

	if (pid)
		snprintf(root, sizeof(root), "/proc/%d/root", pid);
	_cleanup_(fd) int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return -errno;
	int fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

int process_root_open(int pid, const char *path, u64 resolve, int *ret)
{
	_cleanup_(fd) int found = root_find(pid, path, resolve);
	char again[32];
	struct stat st;

	if (found < 0)
		return found;
	if (fstat(found, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	snprintf(again, sizeof(again), "/proc/self/fd/%d", found);
	int fd = open(again, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}
