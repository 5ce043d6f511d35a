/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/process_usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "container/hierarchies.h"

#define PROC_FILE_MAX  65536
#define KERNEL_THREAD  0x00200000 /* PF_KTHREAD, include/linux/sched.h */
#define PROC_PATH_SIZE 32

int process_usage_parse(const char *stat, long ticks_per_second, struct process_usage *ret)
{
	const char *at = strrchr(stat, ')');
	unsigned long long user, system, start;
	unsigned flags;

	/* proc(5): state and 5 numbers, the flags, 4 numbers, user, system, 6 numbers, the start. */
	if (!at || sscanf(at, ") %*c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu",
			  &flags, &user, &system, &start) != 4)
		return -EBADMSG;
	ret->cpu_ns = (user + system) * (NS_PER_S / (u64)ticks_per_second);
	ret->start_ticks = start;
	ret->is_kernel = flags & KERNEL_THREAD;
	return 0;
}

static int proc_text(u32 pid, const char *name, char **ret, size_t *ret_size)
{
	char path[PROC_PATH_SIZE];

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	return file_read(path, PROC_FILE_MAX, ret, ret_size);
}

int process_usage_read(u32 pid, struct process_usage *ret)
{
	_cleanup_(free) char *text = NULL;
	size_t size;

	int err = proc_text(pid, "stat", &text, &size);
	return err ? err : process_usage_parse(text, sysconf(_SC_CLK_TCK), ret);
}

/* The number that samples would have: that of the directory. 0: not known. */
static u64 cgroup_id_of(const struct hierarchy *hierarchy, const char *text, size_t size)
{
	_cleanup_(free) char *path = NULL;
	struct stat st;

	if (hierarchy->fd < 0 || !hierarchy->base || cgroup_file_path(text, size, hierarchy->controller, &path))
		return 0;
	size_t base = strlen(hierarchy->base);
	if (strncmp(path, hierarchy->base, base))
		return 0;
	const char *below = path + base + strspn(path + base, "/");
	return fstatat(hierarchy->fd, *below ? below : ".", &st, 0) ? 0 : st.st_ino;
}

struct place *process_place(struct place_table *places, u32 pid)
{
	const struct hierarchies *hierarchies = place_table_hierarchies(places);
	_cleanup_(free) char *text = NULL;
	u64 v2 = 0, v1 = 0;
	size_t size;

	if (!proc_text(pid, "cgroup", &text, &size)) {
		v2 = cgroup_id_of(&hierarchies->v2, text, size);
		v1 = cgroup_id_of(&hierarchies->v1, text, size);
	}
	return place_table_find(places, v2, v1 ? v1 | CGROUP_V1_BIT : 0, pid);
}

bool process_may_look(u32 pid)
{
	char path[PROC_PATH_SIZE];

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	_cleanup_(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 || (errno != EACCES && errno != EPERM);
}
