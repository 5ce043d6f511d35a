/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cgroup.bpf.c - cgroups as they come and go, with their paths: so that a container
 * that lived for a tenth of a second has a name, and is sampled from its first instruction if it may be
 * one that was asked for.
 */
#include "maps.bpf.h"

#include "cgroup.bpf.h"
#include "ring.bpf.h"

/* 0: of a hierarchy that is of no interest. */
static __always_inline u64 cgroup_id_of(struct cgroup *cgroup)
{
	struct task_struct *self = (void *)bpf_get_current_task();
	struct cgroup_root *root = BPF_CORE_READ(cgroup, root);
	u64 id = BPF_CORE_READ(cgroup, kn, id);

	if (!BPF_CORE_READ(root, hierarchy_id))
		return id;

	struct cgroup *v1 = cgroup_v1_of(BPF_CORE_READ(self, cgroups));

	return v1 && BPF_CORE_READ(v1, root) == root ? id | CGROUP_V1_BIT : 0;
}

/* The kernel holds its lock on all cgroups meanwhile: there is one such record at a time. */
static __always_inline void cgroup_send(u32 type, u64 id, const char *path)
{
	u32 zero = 0;
	struct cgroup_record *record = bpf_map_lookup_elem(&cgroup_records, &zero);

	if (!record)
		return;
	long size = bpf_probe_read_kernel_str(record->path, sizeof(record->path), path);

	if (size <= 0) {
		record->path[0] = 0;
		size = 1;
	}
	/* What others make in a flood is to fill the ring as little as it can. */
	u64 whole = offsetof(struct cgroup_record, path) + BOUND((size + 7) & ~7ull, 2 * CGROUP_PATH_SIZE - 1);
	if (whole > sizeof(*record)) /* cannot be; the verifier needs to read it */
		return;
	record->record.type = type;
	record->record.size = whole;
	record->record.time_ns = bpf_ktime_get_ns();
	record->cgroup_id = id;
	ring_tell(record, whole, type == RECORD_CGROUP);
}

SEC("raw_tp/cgroup_mkdir")
int on_cgroup_mkdir(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = cgroup_id_of((void *)ctx->args[0]);
	u8 not_yet = 0;

	if (!id)
		return 0;
	/* Until user space has seen what it is, it may be one that was asked for. */
	if (config.selected_cgroups && bpf_map_update_elem(&selected_cgroups, &id, &not_yet, BPF_ANY))
		__sync_fetch_and_add(&selection_overflows, 1);
	cgroup_send(RECORD_CGROUP, id, (const char *)ctx->args[1]);
	return 0;
}

SEC("raw_tp/cgroup_rmdir")
int on_cgroup_rmdir(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = cgroup_id_of((void *)ctx->args[0]);

	if (!id)
		return 0;
	if (config.selected_cgroups)
		bpf_map_delete_elem(&selected_cgroups, &id);
	cgroup_send(RECORD_CGROUP_GONE, id, (const char *)ctx->args[1]);
	return 0;
}
