/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * container_files.h - the names of a container from the files that its runtime, and
 * Kubernetes' kubelet, keep on the host: what the bundle says, and the lists beside it. No socket is
 * spoken to (access to one equals root), nothing inside of a container is believed.
 *
 * Everything is read below one directory, the root of the host's first process, so that it also
 * works from within a container that shares the host's PID namespace; out of it no link leads.
 * Files are bounded in size, and their texts in length; what has control characters
 * in it stays as it is: whoever shows a name makes it visible.
 *
 * A group may be called as anybody likes who may make it. So what is inside of another container is not
 * looked for among the host's files, below a user's slice only that user's files are, and what a label of an
 * image says of Kubernetes counts only where the path has a pod. Of each runtime's notes only the keys that
 * it writes itself are read (container_names.h). Not known: containers of rootless containerd,
 * whose files only they see, and the image of one that `ctr` started.
 *
 * A container of Kubernetes is called what its pod's specification calls it, whichever runtime
 * it has: container_name is k8s_container then. What holds the namespaces of a pod (its
 * "pause" container) is called POD, as the kubelet does.
 */
#ifndef PYPROF_CONTAINER_FILES_H
#define PYPROF_CONTAINER_FILES_H

#include <stddef.h>

#include "base/cleanup.h"
#include "container/cgroup_path.h"
#include "container/container_names.h"

struct container_files;

/* root: directory of the host: "/proc/1/root", "/". */
int container_files_open(const char *root, struct container_files **ret);
void container_files_close(struct container_files *files);
DEFINE_CLEANUP(container_files, struct container_files *, container_files_close)

/*
 * Looks for the files of the container that a path tells (path->runtime is not NULL). Fills what it
 * finds: the runtime only where the path did not tell it ("runc" where nobody above it is known), the id only of LXC's.
 * -ENOENT: there is nothing of it, yet or any more. cgroup: the text that path was read from.
 */
int container_files_find(struct container_files *files, const char *cgroup, const struct cgroup_path *path,
			 struct container_names *ret);

/*
 * The container whose group is at or above one whose path tells none (path->runtime is NULL), because
 * whoever started it chose that name: containers of plain runc, of containerd's `ctr`, and of LXC. Fills the id
 * and the runtime too. ret_size: of the path up to and with the group of the container. -ENOENT: there is
 * none. Cheap to ask for again: the list of runc's containers is kept as long as it did not change.
 */
int container_files_find_by_cgroup(struct container_files *files, const char *cgroup, struct container_names *ret,
				   size_t *ret_size);

/* What low-level runtimes keep of all containers: runtime_states.h. The files'. */
struct runtime_states *container_files_states(const struct container_files *files);

#endif
