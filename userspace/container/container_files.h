/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * container_files.h - the names of a container from the files that its runtime, and
 * Kubernetes' kubelet, keep on the host: what the bundle says, and the lists beside it. No socket is
 * spoken to (access to one equals root), nothing inside of a container is believed.
 *
 * Everything is read below the root of the host's first process, so that it also
 * works from within a container that shares the host's PID namespace; out of it no link leads.
 * Files are bounded in size, and their texts in length; what is no UTF-8, or has
 * control characters in it, stays as it is: whoever shows a name makes it visible.
 */
#ifndef PYPROF_CONTAINER_FILES_H
#define PYPROF_CONTAINER_FILES_H

#include "container/cgroup_path.h"
#include "profile/label.h"

#define CONTAINER_NAME_MAX 256 /* bytes of a name that are kept */

/* Texts by label, NULL where there is none; owned. */
struct container_names {
	char *values[LABEL_PLACE_CNT];
};

void container_names_deinit(struct container_names *names);

/*
 * Looks for the container's files. Fills what it finds: the runtime too where the path did not tell it. -ENOENT:
 * there is nothing of it, yet or any more. root: pid whose root directory is the host's, 0 for our own.
 */
int container_files_find(int root, const struct cgroup_path *path, struct container_names *ret);

#endif
