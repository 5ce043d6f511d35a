/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * hierarchies.h - the hierarchies of cgroups that this machine has: that of v2, and on machines that still have
 * some of v1 the one where containers are told apart (config.h).
 *
 * They are taken from the mounts of the host's first process, and below its root directory, if we may: within
 * a container our own mounts show a part only.
 */
#ifndef PYPROF_HIERARCHIES_H
#define PYPROF_HIERARCHIES_H

#include "container/hierarchy.h"
#include "pyprof/config.h"

#define MAX_CGROUP_MOUNTS 64 /* a machine with all of v1 has 14 */

struct hierarchies {
	const char *root; /* the directory that mounts begin at: "/" or "/proc/1/root"; static */
	enum cgroup_v1 v1_kind;
	struct hierarchy v2, v1;
	char *mounts[MAX_CGROUP_MOUNTS]; /* of all hierarchies */
	size_t mount_cnt;
};

/* What is not there is left out. -ENOMEM, or why no list of mounts can be read. */
int hierarchies_open(struct hierarchies *ret);
void hierarchies_close(struct hierarchies *hierarchies);

/*
 * A path of a group as people have it: as /proc/PID/cgroup shows it ("/system.slice/x.service", or its whole line), or the
 * directory below a mount of cgroups. Gives it from the root of its hierarchy, without slashes and dots that say nothing.
 * -EINVAL: it does not begin with a slash, or has ".." in it. The caller frees it.
 */
int hierarchies_path(const struct hierarchies *hierarchies, const char *text, char **ret);

#endif
