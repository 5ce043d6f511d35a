/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/host_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "process/process_root.h"

int host_file_find(int root_fd, const char *path, struct stat *ret)
{
	_cleanup_(fd) int fd = -1;
	struct stat st;

	int err = process_root_find_at(root_fd, path, 0, 0, &fd);
	if (err)
		return err;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	*ret = st;
	return 0;
}

/* But not when its links were counted: a list that is replaced is whole. */
static bool is_unchanged(const struct stat *before, const struct stat *after)
{
	return before->st_size == after->st_size && before->st_mtim.tv_sec == after->st_mtim.tv_sec &&
	       before->st_mtim.tv_nsec == after->st_mtim.tv_nsec;
}

int host_file_read(int root_fd, const char *path, size_t max, char **ret, size_t *ret_size, struct stat *ret_stat)
{
	_cleanup_(fd) int fd = -1;
	_cleanup_(free) char *text = NULL;
	struct stat before, after;
	size_t size;

	int err = process_root_open_at(root_fd, path, 0, &fd);
	if (err)
		return err;
	if (fstat(fd, &before))
		return -errno;
	err = file_read_fd(fd, max, &text, &size);
	if (err)
		return err;
	if (fstat(fd, &after))
		return -errno;
	if (!is_unchanged(&before, &after) || size != (size_t)before.st_size)
		return -EAGAIN;
	*ret = take(text);
	*ret_size = size;
	*ret_stat = before;
	return 0;
}

int host_directory_open(int root_fd, const char *path, DIR **ret)
{
	_cleanup_(fd) int found = -1;

	int err = process_root_find_at(root_fd, path, O_DIRECTORY, 0, &found);
	if (err)
		return err;
	int fd = openat(found, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	DIR *directory = fdopendir(fd);
	if (!directory) {
		err = -errno;
		close(fd);
		return err;
	}
	*ret = directory;
	return 0;
}

int host_directory_list(int root_fd, const char *path, u32 max, int (*visit)(void *ctx, const char *name), void *ctx)
{
	_cleanup_(directory) DIR *directory = NULL;

	int err = host_directory_open(root_fd, path, &directory);
	if (err)
		return err;
	for (u32 i = 0; i < max; i++) {
		const struct dirent *entry = readdir(directory);

		if (!entry)
			break;
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		err = visit(ctx, entry->d_name);
		if (err)
			return err;
	}
	return 0;
}

bool host_name_is_safe(const char *name, size_t size)
{
	if (!size || size > NAME_MAX || memchr(name, '/', size) || memchr(name, 0, size))
		return false;
	return !(name[0] == '.' && (size == 1 || (size == 2 && name[1] == '.')));
}

const char *json_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}
