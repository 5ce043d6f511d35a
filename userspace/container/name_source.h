/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* name_source.h - whose files tell a container's names: one reader for each kind of program that keeps such files. */
#ifndef PYPROF_NAME_SOURCE_H
#define PYPROF_NAME_SOURCE_H

#include <limits.h>
#include <stdbool.h>

#include "container/container_names.h"
#include "container/host_file.h"
#include "pyprof/types.h"

struct lxc_configs;
struct name_cache;
struct name_file;
struct runtime_state;
struct runtime_states;

struct name_query {
	int root_fd;
	struct name_cache *cache;
	struct runtime_states *states;
	struct lxc_configs *lxc;
	const char *cgroup; /* the whole path of it */
	const char *runtime; /* as the path tells it; "": it does not */
	char id[NAME_MAX + 1]; /* the name of a file; "" when the id is none */
	char pod_uid[40]; /* - between its parts; "": in no pod */
	const char *home; /* of the user below whose slice it is; NULL: it is none's, or nobody's that is known */
	u32 owner; /* whose files may tell about it: HOST_ANYBODY, unless it is below a user's slice */
};

/*
 * Each adds what it finds. -ENOENT: it has nothing of this container. Another error: what is there
 * could not be read.
 */
typedef int name_source(const struct name_query *query, struct container_names *names);

name_source docker_names; /* docker and moby */
name_source containerd_names; /* bundles of containerd: Kubernetes, nerdctl, ctr */
name_source storage_names; /* CRI-O and podman, which share the library that keeps them */
name_source runtime_names; /* what runc or crun itself keeps of one that nobody above it knows */
name_source lxc_names; /* LXC, LXD, Incus: the id too, for a group may be called otherwise */
name_source kubelet_names; /* names of a pod's directories and links of logs */

/*
 * A containerd container by namespace and id, as `ctr` puts them into the path, too. -ENOENT: there is none.
 */
int containerd_names_in(struct name_cache *cache, const char *name_space, const char *id,
			struct container_names *names);
/* The one whose runtime's own state says where its bundle is. */
int containerd_state_names(struct name_cache *cache, const struct runtime_state *state, struct container_names *names);
/* name_cache_find() in its OCI configuration. */
int containerd_bundle_find(struct name_cache *cache, const struct name_file *file, const char *name_space,
			   const char *id, const char *ret[LABEL_PLACE_CNT]);
/* A container of LXC by query->cgroup, where somebody chose that. ret_size: of its group's path. -ENOENT: there is none. */
int lxc_names_by_cgroup(const struct name_query *query, struct container_names *names, size_t *ret_size);
/* What its own runtime keeps of a container. */
int runtime_state_names(const struct runtime_state *state, bool in_pod, struct container_names *names);

#endif
