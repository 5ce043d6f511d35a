/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* about.h - which process a snapshot is of, in words a person knows it by: from /proc, each as far as it may be read. */
#ifndef PYPROF_ABOUT_H
#define PYPROF_ABOUT_H

#include "dump/snapshot.h"

/* Fills command_line, exe and cgroup. -ENOMEM. */
int about_read(struct snapshot *snapshot);

/* In the text of /proc/PID/cgroup, the path in the hierarchy that processes are in: of version 2, else systemd's. Not terminated. */
const char *about_cgroup_path(const char *text, size_t *ret_size);

#endif
