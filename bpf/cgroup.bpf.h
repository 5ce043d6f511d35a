/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cgroup.bpf.h - the cgroups of a task, as numbers (record.h), and whether they were asked for. */
#ifndef PYPROF_CGROUP_BPF_H
#define PYPROF_CGROUP_BPF_H

#include "maps.bpf.h"

#define CGROUP_SUBSYS_NONE 64

/* The kernel's own number of the controller whose hierarchy of v1 was chosen. */
static __always_inline u32 cgroup_subsys(void)
{
	if (config.cgroup_v1 == CGROUP_V1_PIDS && bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id))
		return bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id);
	if (config.cgroup_v1 == CGROUP_V1_MEMORY && bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	if (config.cgroup_v1 == CGROUP_V1_CPU && bpf_core_enum_value_exists(enum cgroup_subsys_id, cpu_cgrp_id))
		return bpf_core_enum_value(enum cgroup_subsys_id, cpu_cgrp_id);
	return CGROUP_SUBSYS_NONE;
}

/* NULL: none was chosen. */
static __always_inline struct cgroup *cgroup_v1_of(struct css_set *set)
{
	struct cgroup_subsys_state *state = NULL;
	u32 subsys = cgroup_subsys();

	if (subsys == CGROUP_SUBSYS_NONE)
		return NULL;
	bpf_probe_read_kernel(&state, sizeof(state),
			      (void *)set + bpf_core_field_offset(struct css_set, subsys) +
				      BOUND(subsys, 15) * sizeof(state));
	return state ? BPF_CORE_READ(state, cgroup) : NULL;
}

static __always_inline u64 cgroup_v1_id(struct css_set *set)
{
	struct cgroup *cgroup = cgroup_v1_of(set);

	return cgroup ? BPF_CORE_READ(cgroup, kn, id) | CGROUP_V1_BIT : 0;
}

static __always_inline int cgroup_is_selected(u64 id)
{
	return bpf_map_lookup_elem(&selected_cgroups, &id) != NULL;
}

#endif
