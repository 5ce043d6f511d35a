/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * name_cache.h - what files on the host say, as rows of texts by id, kept as long as the files do not change: a look at
 * what was looked at before costs a stat(2). What could not be read or parsed is kept, too.
 *
 * A file is the same while its inode, size, and times of change are; the kernel alone sets ctime. Some files are
 * written by users: those are small (host_file.h), and one look parses a bounded number of bytes of them.
 */
#ifndef PYPROF_NAME_CACHE_H
#define PYPROF_NAME_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "container/container_names.h"
#include "container/host_file.h"
#include "pyprof/types.h"

#define NAME_CACHE_MAX	 (32 << 20) /* bytes of all that is kept; what was not asked for the longest goes */
#define NAME_ROWS_MAX	 (16 << 20) /* bytes of what one file says. -EFBIG beyond */
#define LOOK_HOST_BYTES	 LIST_FILE_MAX /* that one look parses of root's files: any one, or many small ones */
#define LOOK_USERS_BYTES (2 * USER_FILE_MAX) /* of a user's */

/* What one file says, while it is parsed. */
struct name_rows;

/* id: "" where the file is of one container, or of none. texts: by label; NULL: none. -EFBIG, -ENOMEM. */
int name_rows_add(struct name_rows *rows, const char *id, const char *const texts[LABEL_PLACE_CNT]);

/* A kind of file. */
struct name_file {
	/* text: a NUL follows. in_pod: whether what it says of Kubernetes is believed. An error is the file's, but for -ENOMEM. */
	int (*parse)(const char *text, size_t size, bool in_pod, struct name_rows *rows);
	size_t max; /* bytes of a file of root's */
};

struct name_cache;

int name_cache_new(int root_fd, struct name_cache **ret); /* the descriptor stays the caller's */
void name_cache_free(struct name_cache *cache);
DEFINE_CLEANUP(name_cache, struct name_cache *, name_cache_free)

/* A look begins. */
void name_cache_look(struct name_cache *cache);
/*
 * What a file says of an id: texts by label, borrowed until the next call. owner: whose it has to be; HOST_ANYBODY. -ENOENT:
 * there is no file, or nothing of this id in it; -EAGAIN: this look has parsed enough, or it is being written; or what
 * opening, reading and parsing say.
 */
int name_cache_find(struct name_cache *cache, const struct name_file *file, const char *path, u32 owner, bool in_pod,
		    const char *id, const char *ret[LABEL_PLACE_CNT]);
/* The same, added to the names. */
int name_cache_read(struct name_cache *cache, const struct name_file *file, const char *path, u32 owner, bool in_pod,
		    const char *id, struct container_names *names);
/* Of all so far, for tests: files that were parsed, and bytes that are kept. */
u64 name_cache_parsed(const struct name_cache *cache);
size_t name_cache_size(const struct name_cache *cache);

#endif
