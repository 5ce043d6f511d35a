/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* host_root.h - the root of a host that a test makes, with the files that runtimes would keep in it. One for each test. */
#ifndef PYPROF_TESTS_HOST_ROOT_H
#define PYPROF_TESTS_HOST_ROOT_H

#define HOST_ROOT_PATH 1024

/* Its path. */
const char *host_root_make(void);
void host_root_remove(void);
/* Where path is in it, whose directories are made. */
void host_root_make_parents(const char *path, char ret[HOST_ROOT_PATH]);
void host_root_put(const char *path, const char *text);

#endif
