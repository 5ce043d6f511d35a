/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* config.h - what user space decides before the kernel side is loaded (read-only there), and what it counts. */
#ifndef PYPROF_CONFIG_H
#define PYPROF_CONFIG_H

#include "pyprof/losses.h"
#include "pyprof/types.h"

/*
 * On a machine with hierarchies of cgroups v1, hybrid ones too, containers are told apart there: everything
 * may be in the root of v2. Any controller that is used in v1 serves.
 */
enum cgroup_v1 {
	CGROUP_V1_NONE, /* v2 alone */
	CGROUP_V1_PIDS,
	CGROUP_V1_MEMORY,
	CGROUP_V1_CPU,
	CGROUP_V1_CNT
};

struct config {
	u64 weight_ns; /* 1e9 / frequency */
	u64 time_budget_ns; /* after which a walk ends with LOSS_TIME */
	u64 ring_size; /* of one ring */
	u32 all; /* sample every process, else only PROCESS_SELECTED */
	u32 kernel_stacks;
	u32 thread_size; /* of a kernel stack, where bpf_task_pt_regs is absent */
	u32 python_native; /* native frames of threads that run Python are wanted */
	u32 stack_copy_size; /* of a stack_record, a multiple of 4096; 0: none are sent */
	u32 stack_copies; /* at most so many a second on each CPU */
	u32 asked_for; /* a sample is asked for, one each: whole parts, always with a stack_record, never with a native part */
	u32 cgroup_v1; /* enum cgroup_v1 */
	u32 selected_cgroups; /* with all: only samples of cgroups in the map selected_cgroups are taken */
	u32 reserved;
};

/* Per CPU, in the `counters` map. */
struct counters {
	u64 runs; /* of the sampling program, idle and unselected ones included */
	u64 run_ns;
	u64 idle; /* runs that met the idle task */
	u64 other; /* runs that met a process that is not selected */
	u64 samples; /* sent */
	u64 untold; /* what was to be told beside samples (processes, cgroups, code, stacks) and found no room in a ring */
	u64 losses[LOSS_CNT]; /* those with effect LOST that the kernel side counts */
};

#endif
