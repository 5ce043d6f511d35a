// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tests/bench/program_cost.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench.h"

#define MAX_OBJECTS 256

/* The kernel objects behind a process's descriptors, each once: a link names its program, too. */
struct objects {
	u32 id[MAX_OBJECTS];
	u64 size[MAX_OBJECTS]; /* memory, of maps */
	u32 cnt;
};

int program_cost_enable(void)
{
	int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);

	if (fd < 0)
		bench_die("the kernel does not count the run time of BPF programs: %s", strerror(-fd));
	return fd;
}

static void objects_add(struct objects *objects, u32 id, u64 size)
{
	for (u32 i = 0; i < objects->cnt; i++)
		if (objects->id[i] == id)
			return;
	if (objects->cnt == MAX_OBJECTS)
		bench_die("more than %d BPF objects in one process", MAX_OBJECTS);
	objects->id[objects->cnt] = id;
	objects->size[objects->cnt++] = size;
}

static void objects_add_descriptor(struct objects *objects, pid_t pid, const char *fd, const char *id_format)
{
	char path[64 + 256], line[256];
	unsigned long long size = 0;
	unsigned id = 0;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", pid, fd);
	_cleanup_(stream) FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		sscanf(line, id_format, &id);
		sscanf(line, "memlock: %llu", &size);
	}
	if (id)
		objects_add(objects, id, size);
}

/* id_format finds the id in a line of fdinfo. Empty when the process is gone. */
static void objects_of_process(pid_t pid, const char *id_format, struct objects *ret)
{
	char path[64];

	ret->cnt = 0;
	snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
	_cleanup_(directory) DIR *directory = opendir(path);
	if (!directory)
		return;
	for (struct dirent *entry; (entry = readdir(directory));)
		if (entry->d_name[0] != '.')
			objects_add_descriptor(ret, pid, entry->d_name, id_format);
}

static bool program_info(int fd, struct bpf_prog_info *ret)
{
	u32 size = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	return !bpf_obj_get_info_by_fd(fd, ret, &size);
}

struct program_cost program_cost_of_fd(int fd)
{
	struct bpf_prog_info info;

	if (!program_info(fd, &info))
		bench_die("cannot read a program's statistics");
	return (struct program_cost){.run_ns = info.run_time_ns, .runs = info.run_cnt};
}

struct program_cost program_cost_of_process(pid_t pid, const char *name)
{
	struct program_cost sum = {0};
	struct objects programs;

	objects_of_process(pid, "prog_id: %u", &programs);
	for (u32 i = 0; i < programs.cnt; i++) {
		_cleanup_(fd) int fd = bpf_prog_get_fd_by_id(programs.id[i]);
		struct bpf_prog_info info;

		if (fd < 0 || !program_info(fd, &info) || (name && strcmp(info.name, name)))
			continue;
		sum.run_ns += info.run_time_ns;
		sum.runs += info.run_cnt;
	}
	return sum;
}

u64 map_size_of_process(pid_t pid)
{
	struct objects maps;
	u64 sum = 0;

	objects_of_process(pid, "map_id: %u", &maps);
	for (u32 i = 0; i < maps.cnt; i++)
		sum += maps.size[i];
	return sum;
}

/* The second page of a ring buffer begins with the producer's position, which only grows (linux/bpf.h). */
static u64 ring_written(u32 id)
{
	_cleanup_(fd) int fd = bpf_map_get_fd_by_id(id);
	struct bpf_map_info info = {0};
	u32 size = sizeof(info);
	size_t page = getpagesize();

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) || info.type != BPF_MAP_TYPE_RINGBUF)
		return 0;
	const u64 *position = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, page);
	if (position == MAP_FAILED)
		bench_die("cannot look at a ring buffer");
	u64 written = *(const volatile u64 *)position;

	munmap((void *)position, page);
	return written;
}

u64 ring_written_of_process(pid_t pid)
{
	struct objects maps;
	u64 sum = 0;

	objects_of_process(pid, "map_id: %u", &maps);
	for (u32 i = 0; i < maps.cnt; i++)
		sum += ring_written(maps.id[i]);
	return sum;
}
