/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* file.h - files, read and written as a whole or not at all. */
#ifndef PYPROF_FILE_H
#define PYPROF_FILE_H

#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "pyprof/types.h"

/* All of a file, at most limit bytes (-EFBIG beyond), with a NUL behind it that ret_size does not count. */
int file_read(const char *path, size_t limit, char **ret, size_t *ret_size);

/* The same, of an open descriptor from its current position, which stays the caller's. */
int file_read_fd(int fd, size_t limit, char **ret, size_t *ret_size);

/* Exactly size bytes at an offset. -EFAULT when the file ends before. */
int file_read_at(int fd, u64 offset, void *ret, size_t size);

/*
 * A new file that only its owner may read, with a name that cannot be foreseen: path ends in XXXXXX and suffix_size
 * more characters, and then says what was chosen. Given to uid and gid unless they are -1. *ret is the caller's.
 */
int file_create_unique(char *path, size_t suffix_size, uid_t uid, gid_t gid, FILE **ret);

/* All of them, at the current position of a descriptor that blocks. */
int file_write_all(int fd, const void *bytes, size_t size);

/*
 * A file that appears whole or not at all: written beside its place under
 * another name, synced and renamed on commit. It has the permissions and, if we may give
 * it away, the owner of the file that it replaces. Special files (/dev/null, a pipe) are
 * written in place.
 */
struct atomic_file;

/* Tries the place: fails where a commit would. Owner: who shall own the file, (uid_t)-1 for us. */
int atomic_file_open(const char *path, uid_t uid, gid_t gid, struct atomic_file **ret);
/* The same for a name that others chose: follows no symlink, replaces nothing but a regular file. -EEXIST: it is none. */
int atomic_file_open_plain(const char *path, uid_t uid, gid_t gid, struct atomic_file **ret);
FILE *atomic_file_stream(struct atomic_file *file);
/* Frees it, also on failure; then nothing is left behind. */
int atomic_file_commit(struct atomic_file *file);
/* After writing: commits when err is 0, else abandons and gives err back. Frees it in any case. */
int atomic_file_finish(struct atomic_file *file, int err);
/* Frees it and leaves no trace. NULL is fine. */
void atomic_file_abandon(struct atomic_file *file);

#endif
