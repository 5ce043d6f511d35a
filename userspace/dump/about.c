/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "dump/about.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strbuf.h"

#define TEXT_SIZE_MAX (2u << 20) /* arguments may be that long */
#define LINE_SIZE_MAX 4096 /* of it a person wants no more */

/* NULL when it cannot be read, "" of who has none. */
static char *proc_read(u32 pid, const char *name, size_t *ret_size)
{
	char path[40];
	char *text = NULL;

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	return file_read(path, TEXT_SIZE_MAX, &text, ret_size) ? NULL : text;
}

static int command_line_read(struct snapshot *snapshot)
{
	size_t size;
	_cleanup_(free) char *text = proc_read(snapshot->pid, "cmdline", &size);

	if (!text)
		return 0;
	while (size && !text[size - 1])
		size--;
	if (size > LINE_SIZE_MAX)
		size = LINE_SIZE_MAX;
	for (size_t i = 0; i < size; i++)
		if (!text[i] || strchr("\n\r\t", text[i]))
			text[i] = ' ';
	text[size] = 0;
	snapshot->command_line = snapshot_text(snapshot, text);
	return snapshot->command_line ? 0 : -ENOMEM;
}

static int exe_read(struct snapshot *snapshot)
{
	char path[40], target[PATH_MAX];

	snprintf(path, sizeof(path), "/proc/%u/exe", snapshot->pid);
	ssize_t size = readlink(path, target, sizeof(target) - 1);
	if (size < 0)
		return 0;
	target[size] = 0;
	snapshot->exe = snapshot_text(snapshot, target);
	return snapshot->exe ? 0 : -ENOMEM;
}

/* Lines are HIERARCHY:CONTROLLERS:PATH. Where both are mounted, version 2 may be empty: then everybody is in its root. */
const char *about_cgroup_path(const char *text, size_t *ret_size)
{
	static const char systemd[] = ":name=systemd:";
	const char *found = NULL;

	for (const char *line = text; *line;) {
		size_t size = strcspn(line, "\n");
		bool unified = !strncmp(line, "0::", 3);
		const char *named = memmem(line, size, systemd, strlen(systemd));
		const char *path = unified ? line + 3 : named ? named + strlen(systemd) : NULL;

		if (path && (!found || (unified && size > strlen("0::/")))) {
			found = path;
			*ret_size = line + size - path;
		}
		line += size + (line[size] == '\n');
	}
	return found;
}

static int cgroup_read(struct snapshot *snapshot)
{
	size_t size, path_size = 0;
	_cleanup_(free) char *text = proc_read(snapshot->pid, "cgroup", &size);
	const char *path = text ? about_cgroup_path(text, &path_size) : NULL;

	if (!path)
		return 0;
	text[path - text + path_size] = 0;
	snapshot->cgroup = snapshot_text(snapshot, path);
	return snapshot->cgroup ? 0 : -ENOMEM;
}

int about_read(struct snapshot *snapshot)
{
	int err = command_line_read(snapshot);

	if (!err)
		err = exe_read(snapshot);
	return err ? err : cgroup_read(snapshot);
}
