/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "dump/process_list.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/file.h"

struct known_process {
	u32 pid, parent;
	bool is_wanted;
};

struct list {
	struct known_process *at;
	size_t cnt, capacity;
};

u32 process_list_parent(const char *stat)
{
	const char *at = strrchr(stat, ')');
	u32 parent;

	return at && sscanf(at, ") %*c %u", &parent) == 1 ? parent : 0;
}

static u32 parent_read(u32 pid)
{
	_cleanup_(free) char *stat = NULL;
	char path[32];
	size_t size;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	return file_read(path, 65536, &stat, &size) ? 0 : process_list_parent(stat);
}

static int list_add(struct list *list, u32 pid, u32 root)
{
	struct known_process *at = array_reserve(list->at, &list->capacity, list->cnt + 1, sizeof(*at));

	if (!at)
		return -ENOMEM;
	list->at = at;
	at[list->cnt++] = (struct known_process){
		.pid = pid,
		.parent = root ? parent_read(pid) : 0,
		.is_wanted = !root || pid == root,
	};
	return 0;
}

static int list_read(struct list *list, u32 root)
{
	struct dirent *entry;
	int err = 0;

	_cleanup_(directory) DIR *directory = opendir("/proc");
	if (!directory)
		return -errno;
	while (!err && (entry = readdir(directory))) {
		u32 pid = atoi(entry->d_name);

		if (pid)
			err = list_add(list, pid, root);
	}
	return err;
}

static int compare_pids(const void *a, const void *b)
{
	const struct known_process *left = a, *right = b;

	return (left->pid > right->pid) - (left->pid < right->pid);
}

static bool is_wanted(const struct list *list, u32 pid)
{
	const struct known_process key = {.pid = pid};
	const struct known_process *found = bsearch(&key, list->at, list->cnt, sizeof(key), compare_pids);

	return found && found->is_wanted;
}

/* A pid may be smaller than its parent's: so until nothing new is found. */
static void children_want(struct list *list)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < list->cnt; i++) {
			struct known_process *process = &list->at[i];

			if (process->is_wanted || !is_wanted(list, process->parent))
				continue;
			process->is_wanted = more = true;
		}
	}
}

int process_list_read(u32 root, u32 **ret, size_t *ret_cnt)
{
	struct list list = {0};
	size_t cnt = 0;
	int err = list_read(&list, root);
	u32 *pids = err ? NULL : calloc(list.cnt + 1, sizeof(*pids));

	if (!err && !pids)
		err = -ENOMEM;
	if (!err) {
		qsort(list.at, list.cnt, sizeof(*list.at), compare_pids);
		children_want(&list);
		for (size_t i = 0; i < list.cnt; i++)
			if (list.at[i].is_wanted)
				pids[cnt++] = list.at[i].pid;
		*ret = pids;
		*ret_cnt = cnt;
	}
	free(list.at);
	return err;
}
