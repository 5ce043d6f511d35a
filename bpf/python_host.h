/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * python_host.h - what bpf/python.bpf.h calls, where no kernel is: over a remote
 * memory. WALK_HOST, to be defined before, is the walk under way, a struct with
 * `memory`, `scratch`, `signatures`, `layout` and `thread_state` (what the threads map
 * would say of every thread). Include this before a walker.
 */
#ifndef PYPROF_PYTHON_HOST_H
#define PYPROF_PYTHON_HOST_H

#include <stddef.h>
#include <string.h>

#include "base/remote_memory.h"
#include "scratch.bpf.h"

/* Global functions are for the verifier. Not every reader calls each. */
#define __weak static __attribute__((unused))

static inline struct scratch *scratch_get(u32 slot)
{
	return slot ? NULL : &WALK_HOST.scratch;
}

static inline struct signature_cache *signature_cache_get(u32 slot)
{
	return slot ? NULL : &WALK_HOST.signatures;
}

static inline const struct python_layout *layout_get(u32 index)
{
	return index ? NULL : &WALK_HOST.layout;
}

static inline u64 thread_state_find(u32 pid, u64 thread_pointer)
{
	return WALK_HOST.thread_state;
}

static inline int sample_is_asked_for(void)
{
	return 0;
}

/* As in the kernel, what cannot be read reads as zeros. */
static inline int read_user(void *to, u32 size, u64 address)
{
	int err = remote_read(&WALK_HOST.memory, address, to, size);

	WALK_HOST.reads++;
	if (err)
		memset(to, 0, size);
	return err;
}

#endif
