/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * remote_memory.h - another process's memory. One function pointer, so that the
 * same readers run on a live process, on a core file and on bytes in a test.
 * What comes back is hostile: another program wrote it.
 */
#ifndef PYPROF_REMOTE_MEMORY_H
#define PYPROF_REMOTE_MEMORY_H

#include <stddef.h>
#include <sys/types.h>

#include "pyprof/types.h"

struct remote_memory {
	/* All size bytes or -errno (-EFAULT: not mapped; -ESRCH: gone; -EPERM). */
	int (*read)(const struct remote_memory *memory, u64 address, void *ret, size_t size);
	int pid; /* for remote_memory_of_process */
	const void *bytes; /* for others' use */
	u64 base;
	size_t size;
};

/* process_vm_readv; the target is not stopped and pages that are not present are faulted in. */
struct remote_memory remote_memory_of_process(int pid);
/* As many of the bytes as are mapped from address on; how many, or -errno. */
ssize_t remote_read_some(int pid, u64 address, void *ret, size_t size);
/* bytes that pretend to lie at base. */
struct remote_memory remote_memory_of_bytes(const void *bytes, size_t size, u64 base);

static inline int remote_read(const struct remote_memory *memory, u64 address, void *ret, size_t size)
{
	return memory->read(memory, address, ret, size);
}

#endif
