/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * host.h - the few functions that the walkers in bpf/ call, over bytes in a test:
 * so that the text the kernel runs can be single-stepped, and fuzzed, here.
 * Include it before a walker.
 */
#ifndef PYPROF_HOST_H
#define PYPROF_HOST_H

#include <string.h>

#include "base/remote_memory.h"
#include "scratch.bpf.h"

#define __weak static

static struct host {
	struct remote_memory memory;
	struct scratch scratch;
	struct signature_cache signatures;
	struct python_layout layout;
	u64 thread_state; /* what the threads map says of every thread */
	u32 reads;
} host;

static inline struct scratch *scratch_get(u32 slot)
{
	return slot ? NULL : &host.scratch;
}

static inline struct signature_cache *signature_cache_get(u32 slot)
{
	return slot ? NULL : &host.signatures;
}

static inline const struct python_layout *layout_get(u32 index)
{
	return index ? NULL : &host.layout;
}

static inline u64 thread_state_find(u32 pid, u64 thread_pointer)
{
	return host.thread_state;
}

/* As in the kernel, what cannot be read reads as zeros. */
static inline int read_user(void *to, u32 size, u64 address)
{
	int err = remote_read(&host.memory, address, to, size);

	host.reads++;
	if (err)
		memset(to, 0, size);
	return err;
}

#endif
