/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/remote_memory.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

static int process_read(const struct remote_memory *memory, u64 address, void *ret, size_t size)
{
	struct iovec local = {.iov_base = ret, .iov_len = size};
	struct iovec remote = {.iov_base = (void *)address, .iov_len = size};
	ssize_t read = process_vm_readv(memory->pid, &local, 1, &remote, 1, 0);

	if (read < 0)
		return -errno;
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
