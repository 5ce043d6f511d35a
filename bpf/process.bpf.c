/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * process.bpf.c - processes as they come and go: fork, exec, exit, and those that
 * were there before. They keep the processes map true, so that a pre-forked worker
 * is known from its first instruction, and tell user space.
 */
#include "maps.bpf.h"

#include "identity.bpf.h"
#include "ring.bpf.h"

static __always_inline int is_wanted(const struct process_row *row)
{
	return config.all || (row && row->flags & PROCESS_SELECTED);
}

static __always_inline void record_fill(struct process_record *record, u32 type, struct task_struct *task)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	__builtin_memset(record, 0, sizeof(*record));
	record->record.type = type;
	record->record.size = sizeof(*record);
	record->record.time_ns = bpf_ktime_get_ns();
	process_id_fill(&record->process, task);
	bpf_probe_read_kernel(record->comm, sizeof(record->comm),
			      (void *)leader + bpf_core_field_offset(struct task_struct, comm));
}

/* The child shares the parent's memory as it is: what is known of the one holds for the other. */
SEC("raw_tp/sched_process_fork")
int on_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *parent = (void *)ctx->args[0];
	struct task_struct *child = (void *)ctx->args[1];
	struct process_record record;

	if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid))
		return 0; /* a thread */

	record_fill(&record, RECORD_FORK, child);
	process_id_fill(&record.parent, parent);
	struct process_row *row = process_row_find(&record.parent);
	if (row) {
		struct process_row copy = *row;
		u32 pid = record.process.pid;

		copy.start_ns = record.process.start_ns;
		copy.exec_id = record.process.exec_id;
		if (!(copy.flags & PROCESS_CHILDREN))
			copy.flags &= ~PROCESS_SELECTED;
		bpf_map_update_elem(&processes, &pid, &copy, BPF_ANY);
		if (config.all || copy.flags & PROCESS_SELECTED)
			ring_tell(&record, sizeof(record), 0);
	} else if (config.all) {
		ring_tell(&record, sizeof(record), 0);
	}
	return 0;
}

SEC("raw_tp/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	struct process_record record;

	record_fill(&record, RECORD_EXEC, task);
	u32 pid = record.process.pid;
	struct process_row *row = bpf_map_lookup_elem(&processes, &pid);
	/* One of an earlier process under this pid says nothing about this one. */
	if (row && row->start_ns == record.process.start_ns) {
		struct process_row copy = {
			.start_ns = record.process.start_ns,
			.exec_id = record.process.exec_id,
			.flags = row->flags & ~PROCESS_KNOWN,
		};
		bpf_map_update_elem(&processes, &pid, &copy, BPF_ANY);
		if (is_wanted(&copy))
			ring_tell(&record, sizeof(record), 1);
	} else if (config.all) {
		ring_tell(&record, sizeof(record), 1);
	}
	return 0;
}

SEC("raw_tp/sched_process_exit")
int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	struct process_record record;

	/* The leader may go first: the process ends with its last thread. */
	if (BPF_CORE_READ(task, signal, live.counter))
		return 0;

	record_fill(&record, RECORD_EXIT, task);
	u32 pid = record.process.pid;
	struct process_row *row = process_row_find(&record.process);
	int wanted = is_wanted(row);

	if (row)
		bpf_map_delete_elem(&processes, &pid);
	if (wanted)
		ring_tell(&record, sizeof(record), 0);
	return 0;
}

/* Every process there is, as struct process_record, to whoever reads the iterator: that is the profiler itself. */
SEC("iter/task")
int list_processes(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task_struct *self = (void *)bpf_get_current_task();
	struct process_record record;

	namespace_level = BPF_CORE_READ(self, thread_pid, level);
	if (!task || task->pid != task->tgid || task->flags & PF_KTHREAD)
		return 0;
	record_fill(&record, RECORD_PROCESS, task);
	if (record.process.pid)
		bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}
