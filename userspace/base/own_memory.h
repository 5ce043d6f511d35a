/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * own_memory.h - this process's memory, read where an address may be nothing, or its memory go away
 * meanwhile: an error then, never a fault. In signal handlers too: no allocation, no lock, 200 bytes of stack.
 */
#ifndef PYPROF_OWN_MEMORY_H
#define PYPROF_OWN_MEMORY_H

#include "base/remote_memory.h"

/*
 * Finds the way that works here: process_vm_readv, else (older seccomp profiles of containers refuse that)
 * /proc/self/mem. Before the first read, and again before each use by others: somebody may have closed all files.
 */
void own_memory_open(void);

/* As many of the bytes as are mapped from address on; how many, or -errno. */
ssize_t own_memory_read_some(u64 address, void *ret, size_t size);

/*
 * cnt pieces of size bytes each, one behind the other, by one system call where that is allowed. cnt is at most
 * OWN_MEMORY_PIECES_MAX. -EFAULT: not all of them are there.
 */
#define OWN_MEMORY_PIECES_MAX 64
int own_memory_read_pieces(const u64 *addresses, size_t cnt, size_t size, void *ret);

/* The same as own_memory_read_some() for those who read any process. Unlike remote_memory_of_process() it serves signal handlers. */
struct remote_memory own_memory(void);

/* remote_memory_of_process(); own_memory(), opened, when that is us. */
struct remote_memory own_or_remote_memory(int pid);

/* The file was the parent's. */
void own_memory_after_fork(void);

#endif
