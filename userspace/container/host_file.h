/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * host_file.h - files and directories below the root directory of the host, which is an open
 * descriptor. Links are followed inside of it. What is too large or too many is refused.
 */
#ifndef PYPROF_HOST_FILE_H
#define PYPROF_HOST_FILE_H

#include <dirent.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/types.h"

#define HOST_FILE_MAX (4 << 20) /* bytes of a file of root's about one container */
#define LIST_FILE_MAX (64 << 20) /* of one about all of them */
#define USER_FILE_MAX (64 << 10) /* of any that is not root's */
#define HOST_PATH_MAX 1024

DEFINE_CLEANUP(json, json_t *, json_decref)

#define HOST_ANYBODY ((u32)-1) /* whose file it may be: of anyone, for only root can put one there */

struct stat;

/* What lies there, unopened. -EACCES: no regular file. */
int host_file_find(int root_fd, const char *path, struct stat *ret);
/*
 * At most max bytes of a file, a NUL behind them, and what it was when they were read. -EFBIG, -EACCES (no regular
 * file), -EAGAIN (it changed meanwhile), and what opening and reading say.
 */
int host_file_read(int root_fd, const char *path, size_t max, char **ret, size_t *ret_size, struct stat *ret_stat);

/* To be closed by the caller. */
int host_directory_open(int root_fd, const char *path, DIR **ret);
/*
 * Calls visit for at most max entries of a directory, until it answers something else than 0; that is
 * the answer then. . and .. are left out.
 */
int host_directory_list(int root_fd, const char *path, u32 max, int (*visit)(void *ctx, const char *name), void *ctx);

/* Whether a text can be the name of one file, and no way to another. */
bool host_name_is_safe(const char *name, size_t size);

/* Of an object; NULL when it is not there or no text, or the object is none. */
const char *json_text(const json_t *object, const char *key);

#endif
