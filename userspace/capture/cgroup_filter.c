/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "capture/cgroup_filter.h"

#include <bpf/bpf.h>
#include <errno.h>

int cgroup_filter_add(struct cgroup_filter *filter, u64 cgroup_id)
{
	u8 value = 0;

	if (!bpf_map_update_elem(filter->map, &cgroup_id, &value, BPF_ANY))
		return 0;
	if (errno != E2BIG) /* what the kernel says when a map is full */
		return -errno;
	__atomic_add_fetch(filter->overflows, 1, __ATOMIC_RELAXED);
	return -ENOSPC;
}

void cgroup_filter_remove(struct cgroup_filter *filter, u64 cgroup_id)
{
	bpf_map_delete_elem(filter->map, &cgroup_id);
}

u32 cgroup_filter_overflows(const struct cgroup_filter *filter)
{
	return __atomic_load_n(filter->overflows, __ATOMIC_RELAXED);
}

bool cgroup_filter_is_open(const struct cgroup_filter *filter)
{
	return cgroup_filter_overflows(filter) != __atomic_load_n(filter->settled, __ATOMIC_RELAXED);
}

void cgroup_filter_settle(struct cgroup_filter *filter, u32 overflows)
{
	__atomic_store_n(filter->settled, overflows, __ATOMIC_RELAXED);
}
