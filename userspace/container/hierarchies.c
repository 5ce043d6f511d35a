/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/hierarchies.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "container/mount_line.h"
#include "process/process_root.h"

#define MOUNTS_SIZE_MAX (16u << 20)
#define ROOT_INODE	1

static const char *const v1_controllers[CGROUP_V1_CNT] = {
	[CGROUP_V1_PIDS] = "pids",
	[CGROUP_V1_MEMORY] = "memory",
	[CGROUP_V1_CPU] = "cpu",
};

void hierarchies_close(struct hierarchies *hierarchies)
{
	hierarchy_deinit(&hierarchies->v2);
	hierarchy_deinit(&hierarchies->v1);
	for (size_t i = 0; i < hierarchies->mount_cnt; i++)
		free(hierarchies->mounts[i]);
	hierarchies->mount_cnt = 0;
}

/* The directory, if the file system is what the line says: something else may be mounted over it. */
static int mount_open(int pid, const char *target, long magic, int *ret)
{
	_cleanup_(fd) int found = -1;
	struct statfs fs;

	int err = process_root_find(pid, target, O_DIRECTORY, 0, &found);
	if (err)
		return err;
	if (fstatfs(found, &fs))
		return -errno;
	if (fs.f_type != magic)
		return -ENOENT;
	int fd = openat(found, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

/*
 * The part of the hierarchy that is mounted. The line says it as seen from our own cgroup namespace, so only
 * the root is sure, by its inode; what our namespace hides begins with "/..", or is "/".
 */
static int mount_base(int fd, const struct mount_line *line, char **ret)
{
	_cleanup_(free) char *base = NULL;
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	int err = mount_text_copy(&line->root, &base);
	if (err)
		return err;
	if (st.st_ino == ROOT_INODE)
		base[0] = 0;
	*ret = st.st_ino != ROOT_INODE && (!strcmp(base, "/") || !strncmp(base, "/..", 3)) ? NULL : take(base);
	return 0;
}

/* Takes it in place of what there is when it shows more. */
static int hierarchy_offer(struct hierarchy *hierarchy, bool is_better, int pid, long magic,
			   const struct mount_line *line)
{
	struct hierarchy found = {.fd = -1, .controller = ""};

	if (!is_better && hierarchy->fd >= 0 && hierarchy->base && !hierarchy->base[0])
		return 0;
	int err = mount_text_copy(&line->target, &found.mount);
	if (!err)
		err = mount_open(pid, found.mount, magic, &found.fd);
	if (!err)
		err = mount_base(found.fd, line, &found.base);
	bool is_whole = found.base && !found.base[0];
	if (err || (!is_better && hierarchy->fd >= 0 && !is_whole)) {
		hierarchy_deinit(&found);
		return err == -ENOMEM ? err : 0;
	}
	hierarchy_deinit(hierarchy);
	*hierarchy = found;
	return 1;
}

static int mounts_keep(struct hierarchies *hierarchies, const struct mount_line *line)
{
	int err = mount_text_copy(&line->target, &hierarchies->mounts[hierarchies->mount_cnt]);

	if (!err)
		hierarchies->mount_cnt++;
	return err;
}

static enum cgroup_v1 line_v1_kind(const struct mount_line *line)
{
	for (enum cgroup_v1 kind = CGROUP_V1_NONE + 1; kind < CGROUP_V1_CNT; kind++)
		if (mount_text_has(&line->options, v1_controllers[kind]))
			return kind;
	return CGROUP_V1_NONE;
}

static int hierarchies_add(struct hierarchies *hierarchies, int pid, const struct mount_line *line)
{
	bool is_v2 = mount_text_is(&line->type, "cgroup2");

	if ((!is_v2 && !mount_text_is(&line->type, "cgroup")) || hierarchies->mount_cnt == MAX_CGROUP_MOUNTS)
		return 0;
	int err = mounts_keep(hierarchies, line);
	if (err)
		return err;
	if (is_v2) {
		err = hierarchy_offer(&hierarchies->v2, false, pid, CGROUP2_SUPER_MAGIC, line);
		return err < 0 ? err : 0;
	}
	enum cgroup_v1 kind = line_v1_kind(line), now = hierarchies->v1_kind;
	if (!kind || (now && kind > now))
		return 0;
	err = hierarchy_offer(&hierarchies->v1, kind != now, pid, CGROUP_SUPER_MAGIC, line);
	if (err > 0) {
		hierarchies->v1_kind = kind;
		hierarchies->v1.controller = v1_controllers[kind];
	}
	return err < 0 ? err : 0;
}

int hierarchies_open(struct hierarchies *ret)
{
	struct hierarchies found = {.root = "/proc/1/root", .v2 = {-1, ""}, .v1 = {-1, ""}};
	_cleanup_(fd) int root = open(found.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(free) char *text = NULL;
	struct mount_line line;
	size_t size;

	int err = root < 0 ? -EACCES : file_read("/proc/1/mountinfo", MOUNTS_SIZE_MAX, &text, &size);
	int pid = err ? 0 : 1;
	if (err) {
		found.root = "/";
		err = file_read("/proc/self/mountinfo", MOUNTS_SIZE_MAX, &text, &size);
	}
	if (err)
		return err;
	struct cursor c = cursor_of(text, size);
	while (!err && cursor_left(&c))
		if (!mount_line_parse(&c, &line))
			err = hierarchies_add(&found, pid, &line);
	if (err)
		hierarchies_close(&found);
	else
		*ret = found;
	return err;
}

/* "4:memory:/path" from the whole line of such a file, else the text. */
static const char *text_skip_hierarchy(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	const char *colon = digits && text[digits] == ':' ? strchr(text + digits + 1, ':') : NULL;

	return colon && colon[1] == '/' ? colon + 1 : text;
}

/* What is left of the path below a directory; NULL: it is not there. */
static const char *path_below(const char *path, const char *directory)
{
	size_t size = strlen(directory);

	if (size && !strncmp(path, directory, size) && (!path[size] || path[size] == '/'))
		return path + size;
	return NULL;
}

/* Whether a component was not one. */
static bool path_put(struct strbuf *b, const char *path)
{
	while (*path) {
		size_t size = strcspn(path, "/");
		bool is_dot = size == 1 && path[0] == '.';

		if (size == 2 && !memcmp(path, "..", 2))
			return false;
		if (size && !is_dot) {
			strbuf_put_char(b, '/');
			strbuf_put_size(b, path, size);
		}
		path += size + (path[size] == '/');
	}
	return true;
}

int hierarchies_path(const struct hierarchies *hierarchies, const char *text, char **ret)
{
	STRBUF(whole);
	STRBUF(inner);
	const char *below = NULL;

	text = text_skip_hierarchy(text);
	if (text[0] != '/' || !path_put(&whole, text))
		return -EINVAL;
	/* The longest mount: those of v1 and "unified" may lie below that of another. */
	for (size_t i = 0; i < hierarchies->mount_cnt; i++) {
		const char *rest = path_below(whole.at, hierarchies->mounts[i]);

		if (rest && (!below || rest > below))
			below = rest;
	}
	strbuf_put(&inner, below ? below : whole.at);
	if (!inner.size)
		strbuf_put_char(&inner, '/');
	if (whole.failed || inner.failed)
		return -ENOMEM;
	*ret = strbuf_take(&inner);
	return *ret ? 0 : -ENOMEM;
}
