/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fd_target.h - what the descriptors of a process lead to, in words: "socket
 * 10.0.0.1:443, local 10.0.0.7:51234", "pipe", "epoll", "/var/log/x". All that a dump
 * reads of /proc/PID/fd and /proc/PID/net is read here. Sockets are listed once, when the
 * first one is asked for, and as many as FD_SOCKETS_MAX are looked at.
 */
#ifndef PYPROF_FD_TARGET_H
#define PYPROF_FD_TARGET_H

#include "base/cleanup.h"
#include "pyprof/types.h"

#define FD_SOCKETS_MAX (1 << 17)

struct fd_targets;

int fd_targets_new(int pid, struct fd_targets **ret);
void fd_targets_free(struct fd_targets *targets);
DEFINE_CLEANUP(fd_targets, struct fd_targets *, fd_targets_free)

/* Borrowed. "" when it is not known: not open (any more), or not ours to look at. NULL when memory is short. */
const char *fd_targets_find(struct fd_targets *targets, int fd);

#endif
