/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "process/process_root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"

static int root_open(int pid, int *ret)
{
	char root[32] = "/";

	if (pid)
		snprintf(root, sizeof(root), "/proc/%d/root", pid);
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

int process_root_find_at(int root_fd, const char *path, u64 flags, u64 resolve, int *ret)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | flags,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve,
	};

	/* The kernel's name for it: glibc 2.31 has none yet. */
	int fd = syscall(__NR_openat2, root_fd, path, &how, sizeof(how));
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

int process_root_find(int pid, const char *path, u64 flags, u64 resolve, int *ret)
{
	_cleanup_(fd) int root_fd = -1;

	int err = root_open(pid, &root_fd);
	if (err)
		return err;
	err = process_root_find_at(root_fd, path, flags, resolve, ret);
	/* Before Linux 5.6 there is none, and older containers refuse it. Below our own root links lead nowhere else anyway. */
	if ((err != -ENOSYS && err != -EPERM) || pid || resolve)
		return err;
	int fd = open(path, O_PATH | O_CLOEXEC | flags);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

/* What was found, for reading, if it is a regular file. */
static int found_open(int found, int *ret)
{
	char again[48];
	struct stat st;

	if (fstat(found, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	snprintf(again, sizeof(again), "/proc/thread-self/fd/%d", found);
	int fd = open(again, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

int process_root_open(int pid, const char *path, u64 resolve, int *ret)
{
	_cleanup_(fd) int found = -1;

	int err = process_root_find(pid, path, 0, resolve, &found);
	return err ? err : found_open(found, ret);
}

int process_root_open_at(int root_fd, const char *path, u64 resolve, int *ret)
{
	_cleanup_(fd) int found = -1;

	int err = process_root_find_at(root_fd, path, 0, resolve, &found);
	return err ? err : found_open(found, ret);
}
