/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * hierarchy.h - one hierarchy of cgroups, as the directories that it is mounted as: which groups there are.
 *
 * The number of a cgroup, by which samples name it, is the inode number of its directory (fs/kernfs, on
 * 64-bit machines; the root's is 1), and its handle for open_by_handle_at(2) as well. Here it is without CGROUP_V1_BIT.
 */
#ifndef PYPROF_HIERARCHY_H
#define PYPROF_HIERARCHY_H

#include <stdbool.h>
#include <stddef.h>

#include "pyprof/types.h"

struct hierarchy {
	int fd; /* the mounted directory; -1: there is none */
	const char *controller; /* "pids", of v1; "": v2; static */
	char *mount; /* where it is mounted, from the root directory of whose mounts these are */
	char *base; /* path in the hierarchy of what is mounted there; "": the whole; NULL: a part, not known which */
};

void hierarchy_deinit(struct hierarchy *hierarchy);

/*
 * Calls visit for each group, outer before inner ones, until it returns other than 0, and gives that. What lies
 * deeper than 32 groups, or comes and goes meanwhile, may be missing.
 */
int hierarchy_walk(const struct hierarchy *hierarchy, int (*visit)(void *ctx, u64 id, const char *path), void *ctx);
/* The path of a group that is there. The caller frees it. -ESTALE: it is gone; -EPERM: without CAP_DAC_READ_SEARCH. */
int hierarchy_find(const struct hierarchy *hierarchy, u64 id, char **ret);
/*
 * Whether it is there still. -EPERM and the like: that cannot be told. path: as far as it is known, and believed
 * when it leads to the group, which is cheaper.
 */
int hierarchy_has(const struct hierarchy *hierarchy, u64 id, const char *path, bool *ret);

struct group_owner {
	u32 uid;
	bool is_root; /* the owner of the whole hierarchy */
	bool is_open; /* others than root may make groups in it */
};

/* Of the group that the first size bytes of a path are. -ENOENT: it is gone; -ESTALE: it is not in what is mounted. */
int hierarchy_owner(const struct hierarchy *hierarchy, const char *path, size_t size, struct group_owner *ret);
/*
 * hierarchy_find() where that is not permitted, or it is gone: from what /proc/PID/cgroup says of a process that was in it. -ESTALE:
 * the process is in another one by now. In a cgroup namespace of our own its path is less than the whole.
 */
int hierarchy_find_by_process(const struct hierarchy *hierarchy, u32 pid, u64 id, char **ret);
/* From the text of such a file. -ENOENT: the hierarchy is not in it. The caller frees it. */
int cgroup_file_path(const char *text, size_t size, const char *controller, char **ret);

#endif
