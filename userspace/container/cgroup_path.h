/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cgroup_path.h - what the path of a cgroup says of what runs in it: which runtime made
 * it, under which id, for which pod or unit. Pure.
 *
 * Runtimes differ in what stands before (slices, parents that the administrator chose, the path
 * of an outer container), so the end of a path is compared with the rows of a table. What
 * follows the container's own group (a systemd inside of it, `/init`) belongs to the container; of
 * nested containers the innermost counts.
 *
 * Sources: the runtimes' own documents and code; each row names its own. Paths are chosen by
 * whoever may make cgroups, so nothing but their shape is believed, and all of them are bounded.
 */
#ifndef PYPROF_CGROUP_PATH_H
#define PYPROF_CGROUP_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* A piece of the path. size 0: there is none. */
struct path_piece {
	const char *at;
	size_t size;
};

/*
 * NULL: no container. "": a container of a runtime that the path does not tell. Else static text: "docker",
 * "containerd", "cri-o", "podman", "lxc", "systemd-nspawn".
 */
struct cgroup_path {
	const char *runtime;
	struct path_piece id; /* of the container, as its runtime knows it; lxc, nspawn: its name, as below */
	struct path_piece name; /* where the path itself has it: lxc, nspawn (there as systemd escapes it) */
	struct path_piece pod_uid; /* as written there: a systemd driver writes _ for - */
	struct path_piece unit; /* "nginx.service", the innermost of the host's; of no container */
	/*
	 * The outermost unit, when that one is within it: whoever runs in a delegated unit, as a user's own systemd does in
	 * user@1000.service, calls units as he likes.
	 */
	struct path_piece outer_unit;
	/* "1000" of the outermost user-1000.slice: who may make groups below it. Root's slice is like any other of root's. */
	struct path_piece user;
	size_t size; /* of the path up to and with the group of the container or unit itself; 0: neither */
	/*
	 * The same of the outermost container, when the one above is inside of it; 0: it is not. What is
	 * in there was named by the outer container: it may call its groups as those of another container of the
	 * host, so an id is known by its group, and not by its text alone.
	 */
	size_t outer_size;
};

/*
 * path: from the root of its hierarchy, "/" first. The pieces point into it.
 *
 * A unit is the host's: what runs in a container has none, neither the one that the
 * container's group is for systemd (docker-ID.scope) nor those of a systemd inside of it. What
 * watches over a container (conmon, lxc.monitor) is the host's, and in no unit of its own.
 */
void cgroup_path_read(const char *path, struct cgroup_path *ret);

/* The name without systemd's escapes, to be freed. NULL: memory is short. */
char *cgroup_path_name(const struct cgroup_path *path);

/*
 * Whether a group whose path tells no container may be one's all the same: any name but the root's, a pod's (which has
 * groups of containers in it), a slice's (which has no processes), and most units'.
 */
bool cgroup_path_may_be_container(const char *path, const struct cgroup_path *read);

#endif
