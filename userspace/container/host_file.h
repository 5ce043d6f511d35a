/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * host_file.h - files and directories below the root directory of the host, which is an open
 * descriptor. Links are followed inside of it. What is too large, too many or no JSON is refused.
 */
#ifndef PYPROF_HOST_FILE_H
#define PYPROF_HOST_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/types.h"

#define HOST_FILE_MAX (4 << 20) /* bytes of a file of root's */
#define USER_FILE_MAX (1 << 20) /* of one that anybody may have written */
#define HOST_PATH_MAX 1024

DEFINE_CLEANUP(json, json_t *, json_decref)

/* -EFBIG, -EACCES (no regular file), and what opening and reading say. owner: whose file it has to be; HOST_ANYBODY. */
#define HOST_ANYBODY ((u32)-1)
int host_file_read(int root_fd, const char *path, u32 owner, char **ret, size_t *ret_size);
/* An object or an array, to be released. -EBADMSG: it is none. */
int host_file_json(int root_fd, const char *path, u32 owner, json_t **ret);

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
