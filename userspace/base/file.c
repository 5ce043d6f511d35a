/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define READ_STEP 65536

int file_read_fd(int fd, size_t limit, char **ret, size_t *ret_size)
{
	_cleanup_(free) char *data = NULL;
	size_t size = 0, capacity = 0;

	for (;;) {
		if (capacity - size < READ_STEP + 1) {
			capacity = capacity ? capacity * 2 : 2 * READ_STEP;
			char *more = realloc(data, capacity);
			if (!more)
				return -ENOMEM;
			data = more;
		}
		ssize_t got = read(fd, data + size, capacity - size - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		size += got;
		if (size > limit)
			return -EFBIG;
	}
	data[size] = 0;
	*ret = take(data);
	*ret_size = size;
	return 0;
}

int file_read(const char *path, size_t limit, char **ret, size_t *ret_size)
{
	_cleanup_(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return file_read_fd(fd, limit, ret, ret_size);
}

int file_read_at(int fd, u64 offset, void *ret, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t got = pread(fd, (char *)ret + done, size - done, offset + done);

		if (got < 0 && errno != EINTR)
			return -errno;
		if (!got)
			return -EFAULT;
		done += got > 0 ? got : 0;
	}
	return 0;
}

int file_create_unique(char *path, size_t suffix_size, uid_t uid, gid_t gid, FILE **ret)
{
	_cleanup_(fd) int fd = mkostemps(path, (int)suffix_size, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	FILE *file = uid != (uid_t)-1 && fchown(fd, uid, gid) ? NULL : fdopen(fd, "w");
	if (!file) {
		int err = -errno;
		unlink(path);
		return err;
	}
	fd = -1; /* is the stream's now */
	*ret = file;
	return 0;
}

int file_write_all(int fd, const void *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t wrote = write(fd, (const char *)bytes + done, size - done);

		if (wrote < 0 && errno != EINTR)
			return -errno;
		done += wrote > 0 ? wrote : 0;
	}
	return 0;
}

struct atomic_file {
	char *path;
	char *temporary; /* NULL: written in place */
	FILE *stream;
};

static void atomic_file_free(struct atomic_file *file)
{
	if (file->stream)
		fclose(file->stream);
	if (file->temporary) {
		unlink(file->temporary);
		free(file->temporary);
	}
	free(file->path);
	free(file);
}

DEFINE_CLEANUP(atomic_file, struct atomic_file *, atomic_file_free)

/* Where a rename must not put a regular file: it would replace a device, a pipe or a person's symlink. */
static bool must_write_in_place(const char *path)
{
	struct stat st;

	return !stat(path, &st) && !S_ISREG(st.st_mode);
}

/* As what it replaces; a new one as any that is created. */
static int atomic_file_dress(int fd, const struct stat *replaced, uid_t uid, gid_t gid)
{
	mode_t mask = umask(0);

	umask(mask);
	if (uid != (uid_t)-1 && fchown(fd, uid, gid))
		return -errno;
	/* Not everybody may give a file away: then it is ours, as if we had written it elsewhere. */
	if (uid == (uid_t)-1 && replaced && fchown(fd, replaced->st_uid, replaced->st_gid) && errno != EPERM)
		return -errno;
	return fchmod(fd, replaced ? replaced->st_mode & 0777 : 0666 & ~mask) ? -errno : 0;
}

/* Beside its place. replaced: what is there, NULL for nothing. */
static int atomic_file_create(struct atomic_file *file, const struct stat *replaced, uid_t uid, gid_t gid)
{
	if (asprintf(&file->temporary, "%s.XXXXXX", file->path) < 0) {
		file->temporary = NULL;
		return -ENOMEM;
	}
	int fd = mkostemp(file->temporary, O_CLOEXEC);
	if (fd < 0) {
		int err = -errno;
		free(take(file->temporary));
		return err;
	}
	int err = atomic_file_dress(fd, replaced, uid, gid);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static int atomic_file_open_fd(struct atomic_file *file, uid_t uid, gid_t gid)
{
	if (must_write_in_place(file->path)) {
		int fd = open(file->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		return fd < 0 ? -errno : fd;
	}

	struct stat replaced;

	/* Through a symlink, replace what it leads to. */
	char *target = realpath(file->path, NULL);
	if (target) {
		free(file->path);
		file->path = target;
		if (access(target, W_OK) || stat(target, &replaced))
			return -errno;
	}
	return atomic_file_create(file, target ? &replaced : NULL, uid, gid);
}

/* A symlink that appears after the look is replaced by the rename, not followed. */
static int atomic_file_open_plain_fd(struct atomic_file *file, uid_t uid, gid_t gid)
{
	struct stat replaced;

	if (lstat(file->path, &replaced))
		return errno == ENOENT ? atomic_file_create(file, NULL, uid, gid) : -errno;
	if (!S_ISREG(replaced.st_mode))
		return -EEXIST;
	if (access(file->path, W_OK))
		return -errno;
	return atomic_file_create(file, &replaced, uid, gid);
}

static int atomic_file_new(const char *path, uid_t uid, gid_t gid,
			   int (*open_fd)(struct atomic_file *file, uid_t uid, gid_t gid), struct atomic_file **ret)
{
	_cleanup_(atomic_file) struct atomic_file *file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	file->path = strdup(path);
	if (!file->path)
		return -ENOMEM;

	int fd = open_fd(file, uid, gid);
	if (fd < 0)
		return fd;
	file->stream = fdopen(fd, "w");
	if (!file->stream) {
		close(fd);
		return -ENOMEM;
	}
	*ret = take(file);
	return 0;
}

int atomic_file_open(const char *path, uid_t uid, gid_t gid, struct atomic_file **ret)
{
	return atomic_file_new(path, uid, gid, atomic_file_open_fd, ret);
}

int atomic_file_open_plain(const char *path, uid_t uid, gid_t gid, struct atomic_file **ret)
{
	return atomic_file_new(path, uid, gid, atomic_file_open_plain_fd, ret);
}

FILE *atomic_file_stream(struct atomic_file *file)
{
	return file->stream;
}

int atomic_file_commit(struct atomic_file *file)
{
	_cleanup_(atomic_file) struct atomic_file *mine = file;

	if (fflush(mine->stream) || ferror(mine->stream))
		return errno ? -errno : -EIO;
	if (!mine->temporary)
		return 0;
	if (fsync(fileno(mine->stream)) && errno != EINVAL)
		return -errno;
	if (rename(mine->temporary, mine->path))
		return -errno;
	free(take(mine->temporary));
	return 0;
}

void atomic_file_abandon(struct atomic_file *file)
{
	if (file)
		atomic_file_free(file);
}

int atomic_file_finish(struct atomic_file *file, int err)
{
	if (!err)
		return atomic_file_commit(file);
	atomic_file_abandon(file);
	return err;
}
