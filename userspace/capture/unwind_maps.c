/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "capture/unwind_maps.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pyprof/config.h"
#include "pyprof.skel.h"

#define MAP_CNT	   4 /* beside the rows */
#define ROWS_SIZE  ((size_t)MAX_UNWIND_ROWS * sizeof(struct unwind_row))
#define BLOCK_SIZE ((size_t)ROWS_PER_BLOCK * sizeof(struct unwind_row))

struct mapped {
	struct bpf_map *map;
	void **memory;
};

static void maps_of(struct pyprof_bpf *skeleton, struct unwind_memory *memory, struct mapped ret[MAP_CNT])
{
	ret[0] = (struct mapped){skeleton->maps.unwind_mappings, (void **)&memory->mappings};
	ret[1] = (struct mapped){skeleton->maps.unwind_files, (void **)&memory->files};
	ret[2] = (struct mapped){skeleton->maps.unwind_pages, (void **)&memory->pages};
	ret[3] = (struct mapped){skeleton->maps.unwind_rules, (void **)&memory->rules};
}

static size_t map_size(const struct bpf_map *map)
{
	size_t page = sysconf(_SC_PAGESIZE), size = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);

	return (size + page - 1) / page * page;
}

/* A BPF map is mapped with all its pages at once, which would make 16 MiB of rows resident where two are used. */
static int rows_open(const struct unwind_memory *memory, u32 block)
{
	char *at = (char *)memory->rows + block * BLOCK_SIZE;

	return mmap(at, BLOCK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory->rows_fd,
		    block * BLOCK_SIZE) == MAP_FAILED
		       ? -errno
		       : 0;
}

int unwind_maps_open(struct pyprof_bpf *skeleton, struct unwind_memory *ret)
{
	struct mapped maps[MAP_CNT];

	memset(ret, 0, sizeof(*ret));
	maps_of(skeleton, ret, maps);
	for (size_t i = 0; i < MAP_CNT; i++) {
		void *memory = mmap(NULL, map_size(maps[i].map), PROT_READ | PROT_WRITE, MAP_SHARED,
				    bpf_map__fd(maps[i].map), 0);
		if (memory == MAP_FAILED)
			return -errno;
		*maps[i].memory = memory;
	}
	void *rows = mmap(NULL, ROWS_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (rows == MAP_FAILED)
		return -errno;
	ret->rows = rows;
	ret->rows_fd = bpf_map__fd(skeleton->maps.unwind_rows);
	ret->open_rows = rows_open;
	return 0;
}

void unwind_maps_close(struct pyprof_bpf *skeleton, struct unwind_memory *memory)
{
	struct mapped maps[MAP_CNT];

	if (!skeleton)
		return;
	maps_of(skeleton, memory, maps);
	for (size_t i = 0; i < MAP_CNT; i++)
		if (*maps[i].memory)
			munmap(*maps[i].memory, map_size(maps[i].map));
	if (memory->rows)
		munmap(memory->rows, ROWS_SIZE);
}
