/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/hierarchy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "container/mount_line.h"
#include "pyprof/record.h"

#define MAX_DEPTH	32
#define CGROUP_FILE_MAX 65536
#define HANDLE_KERNFS	0xfe /* FILEID_KERNFS, include/linux/exportfs.h */
#define REMOVED		" (deleted)"

void hierarchy_deinit(struct hierarchy *hierarchy)
{
	if (hierarchy->fd >= 0)
		close(hierarchy->fd);
	free(hierarchy->mount);
	free(hierarchy->base);
	*hierarchy = (struct hierarchy){.fd = -1, .controller = ""};
}

struct walk {
	struct strbuf path; /* of the directory that is looked at; "" is the root */
	int depth;
	int (*visit)(void *ctx, u64 id, const char *path);
	void *ctx;
};

static int walk_directory(struct walk *walk, int parent, const char *name);

/* Most groups have none inside: the link count of a directory in kernfs tells, and spares the list of its files. */
static int walk_entry(struct walk *walk, int parent, const struct dirent *entry)
{
	size_t size = walk->path.size;
	struct stat st;

	if (entry->d_type != DT_DIR || !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
		return 0;
	if (fstatat(parent, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(st.st_mode))
		return 0; /* it was removed just now */
	strbuf_put_char(&walk->path, '/');
	strbuf_put(&walk->path, entry->d_name);
	int err = walk->path.failed ? -ENOMEM : walk->visit(walk->ctx, st.st_ino, walk->path.at);
	if (!err && st.st_nlink != 2 && walk->depth < MAX_DEPTH)
		err = walk_directory(walk, parent, entry->d_name);
	walk->path.size = size;
	if (size)
		walk->path.at[size] = 0;
	return err;
}

static int walk_directory(struct walk *walk, int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_(directory) DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int err = 0;

	if (!directory) {
		err = errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : 0; /* else it is removed */
		if (fd >= 0)
			close(fd);
		return err;
	}
	walk->depth++;
	while (!err && (entry = readdir(directory)))
		err = walk_entry(walk, fd, entry);
	walk->depth--;
	return err;
}

int hierarchy_walk(const struct hierarchy *hierarchy, int (*visit)(void *ctx, u64 id, const char *path), void *ctx)
{
	struct walk walk = {.path.at = (char *)"", .visit = visit, .ctx = ctx};
	struct stat st;

	if (hierarchy->fd < 0)
		return 0;
	if (fstat(hierarchy->fd, &st))
		return -errno;
	if (hierarchy->base)
		strbuf_put(&walk.path, hierarchy->base);
	int err = visit(ctx, st.st_ino, walk.path.size ? walk.path.at : "/");
	if (!err)
		err = walk_directory(&walk, hierarchy->fd, ".");
	strbuf_deinit(&walk.path);
	return err;
}

/* What is left of a path below the directory that is mounted, put behind what that is in the hierarchy. */
static int path_in_hierarchy(const struct hierarchy *hierarchy, const char *path, char **ret)
{
	size_t size = strlen(hierarchy->mount);
	STRBUF(b);

	while (size && hierarchy->mount[size - 1] == '/')
		size--;
	if (strncmp(path, hierarchy->mount, size) || (path[size] && path[size] != '/'))
		return -ESTALE;
	strbuf_put(&b, hierarchy->base ? hierarchy->base : "");
	strbuf_put(&b, path + size);
	if (!b.size)
		strbuf_put_char(&b, '/');
	*ret = strbuf_take(&b);
	return *ret ? 0 : -ENOMEM;
}

/* The open directory, also of a group that was removed just now. */
static int group_open(const struct hierarchy *hierarchy, u64 id)
{
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + sizeof(u64)];
	} kernfs = {.handle = {.handle_bytes = sizeof(u64), .handle_type = HANDLE_KERNFS}};

	if (hierarchy->fd < 0)
		return -ESTALE;
	memcpy(kernfs.bytes + offsetof(struct file_handle, f_handle), &id, sizeof(id));
	int fd = open_by_handle_at(hierarchy->fd, &kernfs.handle, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int hierarchy_find(const struct hierarchy *hierarchy, u64 id, char **ret)
{
	char link[48], path[8192];

	_cleanup_(fd) int fd = group_open(hierarchy, id);
	if (fd < 0)
		return fd;
	snprintf(link, sizeof(link), "/proc/thread-self/fd/%d", fd);
	ssize_t size = readlink(link, path, sizeof(path) - 1);
	if (size < 0)
		return -errno;
	path[size] = 0;
	if ((size_t)size > strlen(REMOVED) && !strcmp(path + size - strlen(REMOVED), REMOVED))
		return -ESTALE;
	return path_in_hierarchy(hierarchy, path, ret);
}

/* What is left of a path below what is mounted, for the *at() calls; NULL: it is not in there. */
static const char *path_below_mount(const struct hierarchy *hierarchy, const char *path)
{
	const char *base = hierarchy->base;
	size_t size = base ? strlen(base) : 0;

	if (hierarchy->fd < 0 || !base || strncmp(path, base, size) || (path[size] && path[size] != '/'))
		return NULL;
	path += size + strspn(path + size, "/");
	return *path ? path : ".";
}

int hierarchy_has(const struct hierarchy *hierarchy, u64 id, const char *path, bool *ret)
{
	const char *below = path_below_mount(hierarchy, path);
	_cleanup_(free) char *found = NULL;
	struct stat st;

	if (below && !fstatat(hierarchy->fd, below, &st, AT_SYMLINK_NOFOLLOW) && st.st_ino == id) {
		*ret = true;
		return 0;
	}
	/* Its path may be cut off, or another by now (v1 renames). */
	int err = hierarchy->fd < 0 ? -EBADF : hierarchy_find(hierarchy, id, &found);
	if (err && err != -ESTALE && (!below || strlen(path) + 1 >= CGROUP_PATH_SIZE))
		return err;
	*ret = !err;
	return 0;
}

/* Within a user namespace root is not 0, so the hierarchy's own directory says who that is, if it is what is mounted. */
static uid_t hierarchy_root_uid(const struct hierarchy *hierarchy)
{
	struct stat st;

	return hierarchy->base[0] || fstat(hierarchy->fd, &st) ? 0 : st.st_uid;
}

int hierarchy_owner(const struct hierarchy *hierarchy, const char *path, size_t size, struct group_owner *ret)
{
	_cleanup_(free) char *group = strndup(path, size);
	struct stat st;

	if (!group)
		return -ENOMEM;
	const char *below = path_below_mount(hierarchy, group);
	if (!below)
		return -ESTALE;
	if (fstatat(hierarchy->fd, below, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	*ret = (struct group_owner){
		.uid = st.st_uid,
		.is_root = st.st_uid == hierarchy_root_uid(hierarchy),
		.is_open = (st.st_mode & S_IWOTH) || ((st.st_mode & S_IWGRP) && st.st_gid),
	};
	return 0;
}

/* One line: "4:memory:/path", "0::/path". */
static bool line_is_of(const char *line, size_t size, const char *controller, struct mount_text *ret)
{
	const char *first = memchr(line, ':', size);
	const char *second = first ? memchr(first + 1, ':', size - (first + 1 - line)) : NULL;

	if (!second)
		return false;
	struct mount_text controllers = {first + 1, second - first - 1};
	bool is_it = controller[0] ? mount_text_has(&controllers, controller) : !controllers.size && line[0] == '0';
	*ret = (struct mount_text){second + 1, size - (second + 1 - line)};
	return is_it && ret->size && ret->at[0] == '/';
}

int cgroup_file_path(const char *text, size_t size, const char *controller, char **ret)
{
	struct mount_text path = {0};
	const char *line = text, *end = text + size;
	bool found = false;

	while (!found && line < end) {
		const char *newline = memchr(line, '\n', end - line);
		size_t line_size = (newline ? newline : end) - line;

		found = line_is_of(line, line_size, controller, &path);
		line += line_size + 1;
	}
	if (!found)
		return -ENOENT;
	/* Outside of our own namespace: how far up says nothing that could be used. */
	while (path.size > 3 && !memcmp(path.at, "/../", 4))
		path = (struct mount_text){path.at + 3, path.size - 3};
	if (path.size == 3 && !memcmp(path.at, "/..", 3))
		path.size = 1;
	if (path.size > strlen(REMOVED) && !memcmp(path.at + path.size - strlen(REMOVED), REMOVED, strlen(REMOVED)))
		path.size -= strlen(REMOVED);
	*ret = strndup(path.at, path.size);
	return *ret ? 0 : -ENOMEM;
}

int hierarchy_find_by_process(const struct hierarchy *hierarchy, u32 pid, u64 id, char **ret)
{
	_cleanup_(free) char *text = NULL, *path = NULL;
	char file[48];
	size_t size;
	struct stat st;

	snprintf(file, sizeof(file), "/proc/%u/cgroup", pid);
	int err = file_read(file, CGROUP_FILE_MAX, &text, &size);
	if (!err)
		err = cgroup_file_path(text, size, hierarchy->controller, &path);
	if (err)
		return err;
	/* Where it can be looked at it must be the one; it may have been removed since, or lie outside of what is mounted. */
	if (hierarchy->fd >= 0 && hierarchy->base && !hierarchy->base[0] &&
	    !fstatat(hierarchy->fd, path_below_mount(hierarchy, path), &st, AT_SYMLINK_NOFOLLOW) && st.st_ino != id)
		return -ESTALE;
	*ret = take(path);
	return 0;
}
