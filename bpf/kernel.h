/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kernel.h - every kernel type and field that we read, and no other. CO-RE finds
 * the real offsets in the running kernel's BTF, so only names and types matter here.
 */
#ifndef PYPROF_KERNEL_H
#define PYPROF_KERNEL_H

#include <linux/bpf.h>

#include "pyprof/types.h"

#define PF_IO_WORKER 0x00000010
#define PF_KTHREAD   0x00200000

/* The program's own context: no CO-RE, the verifier knows these offsets. */
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};

struct bpf_perf_event_data {
	struct pt_regs regs;
	u64 sample_period, addr;
};

/* Likewise of the iterators; and each type that CO-RE has to find costs most of a millisecond. */
struct seq_file;
struct task_struct;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct upid {
	int nr;
};

struct pid {
	unsigned int level;
	struct upid numbers[1]; /* one for each level of PID namespaces; the outermost first */
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live;
	int nr_threads; /* that are in the kernel's list of them: also those that have ended and are not buried */
};

struct mm_struct {
	unsigned long start_stack;
};

struct thread_struct {
	unsigned long fsbase;
};

struct rq {
	u64 clock;
	u64 clock_task; /* without what interrupts and hypervisors took */
};

struct cfs_rq {
	struct rq *rq; /* CONFIG_FAIR_GROUP_SCHED */
};

struct sched_entity {
	u64 exec_start; /* in rq.clock_task */
	struct cfs_rq *cfs_rq; /* CONFIG_FAIR_GROUP_SCHED; also of tasks that are not on it */
	unsigned char sched_delayed; /* from 6.12 on: it sleeps, but was left on the run queue for now */
};

struct kernfs_node {
	u64 id;
};

struct cgroup_root {
	int hierarchy_id; /* 0: that of v2 */
};

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

/* The numbers differ with the configuration: CO-RE knows the kernel's. */
enum cgroup_subsys_id { cpu_cgrp_id = 1, memory_cgrp_id, pids_cgrp_id };

struct css_set {
	struct cgroup *dfl_cgrp; /* in the hierarchy of v2 */
	struct cgroup_subsys_state *subsys[16]; /* by cgroup_subsys_id */
};

struct thread_info {
	u32 cpu; /* from 5.16 on */
};

/* What not every kernel has says so, and is asked for first. */
struct task_struct {
	struct thread_info thread_info;
	unsigned int __state; /* from 5.14 on */
	volatile long state; /* to 5.13 */
	void *stack;
	unsigned int flags;
	int on_cpu; /* CONFIG_SMP */
	unsigned int cpu; /* to 5.15 */
	int on_rq;
	struct sched_entity se;
	int exit_state;
	unsigned long nvcsw, nivcsw;
	int pid, tgid;
	u64 start_boottime;
	u64 self_exec_id;
	char comm[16];
	struct task_struct *group_leader;
	struct pid *thread_pid;
	struct signal_struct *signal;
	struct mm_struct *mm;
	struct css_set *cgroups;
	struct thread_struct thread;
};

#pragma clang attribute pop

#endif
