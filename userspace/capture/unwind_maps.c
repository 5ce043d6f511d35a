/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "capture/unwind_maps.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pyprof/config.h"
#include "pyprof.skel.h"

#define MAP_CNT 5

struct mapped {
	struct bpf_map *map;
	void **memory;
};

static void maps_of(struct pyprof_bpf *skeleton, struct unwind_memory *memory, struct mapped ret[MAP_CNT])
{
	ret[0] = (struct mapped){skeleton->maps.unwind_mappings, (void **)&memory->mappings};
	ret[1] = (struct mapped){skeleton->maps.unwind_files, (void **)&memory->files};
	ret[2] = (struct mapped){skeleton->maps.unwind_pages, (void **)&memory->pages};
	ret[3] = (struct mapped){skeleton->maps.unwind_rows, (void **)&memory->rows};
	ret[4] = (struct mapped){skeleton->maps.unwind_rules, (void **)&memory->rules};
}

static size_t map_size(const struct bpf_map *map)
{
	size_t page = sysconf(_SC_PAGESIZE), size = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);

	return (size + page - 1) / page * page;
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
}
