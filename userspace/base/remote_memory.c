/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/remote_memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/cleanup.h"

#define THREAD_TRIES 16

/* -errno, or how many bytes. */
static ssize_t thread_read(int tid, u64 address, void *ret, size_t size)
{
	struct iovec local = {.iov_base = ret, .iov_len = size};
	struct iovec remote = {.iov_base = (void *)address, .iov_len = size};
	ssize_t read = process_vm_readv(tid, &local, 1, &remote, 1, 0);

	return read < 0 ? -errno : read;
}

/* A process whose first thread has ended lives on in the others, which alone have its memory then. */
static ssize_t other_thread_read(int pid, u64 address, void *ret, size_t size)
{
	char path[32];
	ssize_t read = -ESRCH;
	const struct dirent *thread;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	_cleanup_(directory) DIR *threads = opendir(path);
	for (int tries = 0; threads && tries < THREAD_TRIES && read == -ESRCH && (thread = readdir(threads));) {
		int tid = atoi(thread->d_name);

		if (!tid || tid == pid)
			continue;
		tries++;
		read = thread_read(tid, address, ret, size);
	}
	return read;
}

ssize_t remote_read_some(int pid, u64 address, void *ret, size_t size)
{
	ssize_t read = thread_read(pid, address, ret, size);

	return read == -ESRCH ? other_thread_read(pid, address, ret, size) : read;
}

static int process_read(const struct remote_memory *memory, u64 address, void *ret, size_t size)
{
	ssize_t read = remote_read_some(memory->pid, address, ret, size);

	if (read < 0)
		return read;
	/* A range that ends in unmapped memory is read up to there. */
	return (size_t)read == size ? 0 : -EFAULT;
}

static int bytes_read(const struct remote_memory *memory, u64 address, void *ret, size_t size)
{
	if (address < memory->base || address - memory->base > memory->size ||
	    memory->size - (address - memory->base) < size)
		return -EFAULT;
	memcpy(ret, (const u8 *)memory->bytes + (address - memory->base), size);
	return 0;
}

struct remote_memory remote_memory_of_process(int pid)
{
	return (struct remote_memory){.read = process_read, .pid = pid};
}

struct remote_memory remote_memory_of_bytes(const void *bytes, size_t size, u64 base)
{
	return (struct remote_memory){.read = bytes_read, .bytes = bytes, .size = size, .base = base};
}
