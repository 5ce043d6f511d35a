/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* maps.bpf.h - every map: what it maps to what, and who writes it. Sizes marked "user space" are set before load. */
#ifndef PYPROF_MAPS_BPF_H
#define PYPROF_MAPS_BPF_H

#include "kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "pyprof/config.h"
#include "scratch.bpf.h"

/* pid -> what is known of the process. Written by user space, and by fork, exec and exit. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_PROCESSES);
	__type(key, u32);
	__type(value, struct process_row);
} processes __weak SEC(".maps");

/* (pid, thread pointer) -> PyThreadState. Written by user space only: no hash map is updated from a sample. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_THREADS);
	__type(key, struct thread_key);
	__type(value, u64);
} threads __weak SEC(".maps");

/* Layouts of the CPythons alive, by index. Written by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_LAYOUTS);
	__type(key, u32);
	__type(value, struct python_layout);
} layouts __weak SEC(".maps");

/* By CPU. An ARRAY, for a PERCPU_ARRAY refuses values over 32 KiB. Sized by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct scratch);
} scratches __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* aligned to a page, and so its sets to cache lines */
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct signature_cache);
} signature_caches __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct sent_cache);
} sent_caches __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct rule_cache);
} rule_caches __weak SEC(".maps");

/* By CPU: with config.stack_copy_size bytes of stack. Sized by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(struct stack_copy));
} stack_records __weak SEC(".maps");

/*
 * The unwind tables (unwind.h). Written by user space, through a mapping of its
 * own: what a walk may be reading is not changed, only left, and reused a second later.
 */
#define UNWIND_MAP(name, entries, value_type)      \
	struct {                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);  \
		__uint(map_flags, BPF_F_MMAPABLE); \
		__uint(max_entries, entries);      \
		__type(key, u32);                  \
		__type(value, value_type);         \
	} name __weak SEC(".maps")

UNWIND_MAP(unwind_mappings, MAX_UNWIND_MAPPING_BLOCKS, struct unwind_mapping_block);
UNWIND_MAP(unwind_files, MAX_UNWIND_FILES, struct unwind_file);
UNWIND_MAP(unwind_pages, MAX_UNWIND_PAGES, struct unwind_page);
UNWIND_MAP(unwind_rows, MAX_UNWIND_ROW_BLOCKS, struct unwind_row_block);
UNWIND_MAP(unwind_rules, MAX_UNWIND_RULES, struct unwind_rule);

/*
 * Ids of the cgroups that are sampled, when not all are. Those of new ones by the kernel
 * side, the rest by user space. Sized by it, too: one, where all are.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, u64);
	__type(value, u8);
} selected_cgroups __weak SEC(".maps");

/* A cgroup_record under construction. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cgroup_record);
} cgroup_records __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct counters);
} counters __weak SEC(".maps");

/* One ring for CPUS_PER_RING CPUs: its reserve is a lock that CPUs would fight for. Filled by user space. */
struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MAX_CPUS / CPUS_PER_RING);
	__type(key, u32);
	__array(values, struct ring);
} rings __weak SEC(".maps");

extern const volatile struct config config;

/* Depth of the profiler's own PID namespace; written by the process list, which the profiler runs first. */
extern u32 namespace_level;

/*
 * How often a cgroup found no room in selected_cgroups, and how many of these user space has made up for: while that
 * is another number, all are sampled, and user space sorts them out.
 */
extern u32 selection_overflows, selection_settled;

/* Part of every id. User space changes it when it had to forget parts, so that they are sent again. */
extern u32 epoch;

static __always_inline struct scratch *scratch_get(u32 slot)
{
	return bpf_map_lookup_elem(&scratches, &slot);
}

static __always_inline struct signature_cache *signature_cache_get(u32 slot)
{
	return bpf_map_lookup_elem(&signature_caches, &slot);
}

static __always_inline struct rule_cache *rule_cache_get(u32 slot)
{
	return bpf_map_lookup_elem(&rule_caches, &slot);
}

static __always_inline const struct unwind_mapping_block *mapping_block_get(u32 index)
{
	return bpf_map_lookup_elem(&unwind_mappings, &index);
}

static __always_inline struct unwind_file *unwind_file_get(u32 index)
{
	return bpf_map_lookup_elem(&unwind_files, &index);
}

static __always_inline const struct unwind_page *unwind_page_get(u32 index)
{
	return bpf_map_lookup_elem(&unwind_pages, &index);
}

static __always_inline const struct unwind_row_block *row_block_get(u32 index)
{
	return bpf_map_lookup_elem(&unwind_rows, &index);
}

static __always_inline const struct unwind_rule *unwind_rule_get(u32 index)
{
	return bpf_map_lookup_elem(&unwind_rules, &index);
}

static __always_inline const struct python_layout *layout_get(u32 index)
{
	return bpf_map_lookup_elem(&layouts, &index);
}

static __always_inline u64 thread_state_find(u32 pid, u64 thread_pointer)
{
	struct thread_key key = {.pid = pid, .thread_pointer = thread_pointer};
	u64 *state = bpf_map_lookup_elem(&threads, &key);

	return state ? *state : 0;
}

/* Then nobody else looks for what is not found at once; and what is said is all that is ever said. */
static __always_inline int sample_is_asked_for(void)
{
	return config.asked_for;
}

static __always_inline int read_user(void *to, u32 size, u64 address)
{
	return bpf_probe_read_user(to, size, (const void *)address);
}

#endif
