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

int host_file_read(int root_fd, const char *path, u32 owner, char **ret, size_t *ret_size)
{
	_cleanup_(fd) int fd = -1;
	struct stat st;

	int err = process_root_open_at(root_fd, path, 0, &fd);
	if (err)
		return err;
	if (owner == HOST_ANYBODY)
		return file_read_fd(fd, HOST_FILE_MAX, ret, ret_size);
	if (fstat(fd, &st))
		return -errno;
	if (st.st_uid != owner)
		return -EACCES;
	return file_read_fd(fd, USER_FILE_MAX, ret, ret_size);
}

int host_file_json(int root_fd, const char *path, u32 owner, json_t **ret)
{
	_cleanup_(free) char *text = NULL;
	size_t size;

	int err = host_file_read(root_fd, path, owner, &text, &size);
	if (err)
		return err;
	json_t *json = json_loadb(text, size, 0, NULL);
	if (!json)
		return -EBADMSG;
	*ret = json;
	return 0;
}

int host_directory_list(int root_fd, const char *path, u32 max, int (*visit)(void *ctx, const char *name), void *ctx)
{
	_cleanup_(fd) int found = -1;
	_cleanup_(directory) DIR *directory = NULL;

	int err = process_root_find_at(root_fd, path, O_DIRECTORY, 0, &found);
	if (err)
		return err;
	int fd = openat(found, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	directory = fdopendir(fd);
	if (!directory) {
		err = -errno;
		close(fd);
		return err;
	}
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
