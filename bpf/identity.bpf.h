/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* identity.bpf.h - who a task is, as the profiler's PID namespace numbers it. */
#ifndef PYPROF_IDENTITY_BPF_H
#define PYPROF_IDENTITY_BPF_H

#include "maps.bpf.h"

/* 0 when the task lives outside of the profiler's namespace. */
static __always_inline u32 task_number(struct task_struct *task)
{
	u32 level = namespace_level;

	if (!level)
		return BPF_CORE_READ(task, pid);

	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	u32 nr = 0;

	if (!pid || BPF_CORE_READ(pid, level) < level)
		return 0;
	bpf_probe_read_kernel(&nr, sizeof(nr),
			      (void *)pid + bpf_core_field_offset(struct pid, numbers) +
				      (u64)level * bpf_core_type_size(struct upid));
	return nr;
}

static __always_inline void process_id_fill(struct process_id *id, struct task_struct *task)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	id->start_ns = BPF_CORE_READ(leader, start_boottime);
	id->exec_id = BPF_CORE_READ(task, self_exec_id);
	id->pid = task_number(leader);
	id->reserved = 0;
}

static __always_inline struct process_row *process_row_find(const struct process_id *id)
{
	u32 pid = id->pid;
	struct process_row *row = bpf_map_lookup_elem(&processes, &pid);

	/* A row of an earlier process under this pid, or of the program before exec, is none. */
	if (!row || row->start_ns != id->start_ns || row->exec_id != id->exec_id)
		return NULL;
	return row;
}

#endif
