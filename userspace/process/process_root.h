/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * process_root.h - files as a process sees them: below its root directory (that of
 * its container), out of which no symbolic link leads.
 */
#ifndef PYPROF_PROCESS_ROOT_H
#define PYPROF_PROCESS_ROOT_H

#include "pyprof/types.h"

/*
 * What lies there, unopened: an O_PATH descriptor. path begins with a slash. pid 0: below our own root. flags, resolve:
 * further ones of openat2, O_NOFOLLOW and RESOLVE_... .
 */
int process_root_find(int pid, const char *path, u64 flags, u64 resolve, int *ret);

/*
 * Opens a regular file for reading, pid, path and resolve as above. -EACCES: something else lies there; it is not
 * opened, for opening a device or a pipe may do things.
 */
int process_root_open(int pid, const char *path, u64 resolve, int *ret);

/* The same two below a directory that is open. */
int process_root_find_at(int root_fd, const char *path, u64 flags, u64 resolve, int *ret);
int process_root_open_at(int root_fd, const char *path, u64 resolve, int *ret);

#endif
