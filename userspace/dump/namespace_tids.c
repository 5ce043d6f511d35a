/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "dump/namespace_tids.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"

#define STATUS_SIZE_MAX (1 << 16)
#define THREADS_MAX	(1 << 16)

struct namespace_tid {
	u32 inner, outer;
};

struct namespace_tids {
	int pid;
	bool listed;
	struct namespace_tid *pairs;
	size_t cnt, capacity;
};

int namespace_tids_new(int pid, struct namespace_tids **ret)
{
	struct namespace_tids *tids = calloc(1, sizeof(*tids));
	if (!tids)
		return -ENOMEM;
	tids->pid = pid;
	*ret = tids;
	return 0;
}

void namespace_tids_free(struct namespace_tids *tids)
{
	if (!tids)
		return;
	free(tids->pairs);
	free(tids);
}

/* The last number of "NSpid:\t4242\t7\n": what it is called in the innermost of its namespaces. 0: not said. */
static u32 inner_tid(int pid, u32 outer)
{
	_cleanup_(free) char *status = NULL;
	char path[64];
	size_t size;

	snprintf(path, sizeof(path), "/proc/%d/task/%u/status", pid, outer);
	if (file_read(path, STATUS_SIZE_MAX, &status, &size))
		return 0;
	char *line = strstr(status, "\nNSpid:");
	if (!line)
		return 0;
	line++;
	line[strcspn(line, "\n")] = 0;
	const char *last = strrchr(line, '\t');
	return last ? (u32)strtoul(last, NULL, 10) : 0;
}

static void tids_list(struct namespace_tids *tids)
{
	char path[64];

	tids->listed = true;
	snprintf(path, sizeof(path), "/proc/%d/task", tids->pid);
	_cleanup_(directory) DIR *directory = opendir(path);
	if (!directory)
		return;
	for (struct dirent *entry; tids->cnt < THREADS_MAX && (entry = readdir(directory));) {
		u32 outer = (u32)strtoul(entry->d_name, NULL, 10);
		u32 inner = outer ? inner_tid(tids->pid, outer) : 0;
		if (!inner)
			continue;
		struct namespace_tid *pairs = array_reserve(tids->pairs, &tids->capacity, tids->cnt + 1,
							    sizeof(*pairs));
		if (!pairs)
			return;
		tids->pairs = pairs;
		pairs[tids->cnt++] = (struct namespace_tid){.inner = inner, .outer = outer};
	}
}

u32 namespace_tids_find(struct namespace_tids *tids, u32 inner)
{
	if (!tids->listed)
		tids_list(tids);
	for (size_t i = 0; i < tids->cnt; i++)
		if (tids->pairs[i].inner == inner)
			return tids->pairs[i].outer;
	return 0;
}
