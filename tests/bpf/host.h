/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * host.h - the few functions that the walkers in bpf/ call, over bytes in a test:
 * so that the text the kernel runs can be single-stepped, and fuzzed, here.
 * Include it before a walker.
 */
#ifndef PYPROF_HOST_H
#define PYPROF_HOST_H

#include "base/remote_memory.h"
#include "scratch.bpf.h"

static struct host {
	struct remote_memory memory;
	struct scratch scratch;
	struct signature_cache signatures;
	struct python_layout layout;
	struct rule_cache rules;
	struct unwind_memory unwind; /* NULLs: no process has a mapping */
	u64 thread_state; /* what the threads map says of every thread */
	u32 reads;
} host;

#define WALK_HOST host
#include "python_host.h"

static inline struct rule_cache *rule_cache_get(u32 slot)
{
	return slot ? NULL : &host.rules;
}

static inline const struct unwind_mapping_block *mapping_block_get(u32 index)
{
	return (const struct unwind_mapping_block *)host.unwind.mappings + index;
}

static inline struct unwind_file *unwind_file_get(u32 index)
{
	return index < MAX_UNWIND_FILES ? &host.unwind.files[index] : NULL;
}

static inline const struct unwind_page *unwind_page_get(u32 index)
{
	return index < MAX_UNWIND_PAGES ? &host.unwind.pages[index] : NULL;
}

static inline const struct unwind_row_block *row_block_get(u32 index)
{
	return index < MAX_UNWIND_ROW_BLOCKS ? (const struct unwind_row_block *)host.unwind.rows + index : NULL;
}

static inline const struct unwind_rule *unwind_rule_get(u32 index)
{
	return index < MAX_UNWIND_RULES ? &host.unwind.rules[index] : NULL;
}

#endif
