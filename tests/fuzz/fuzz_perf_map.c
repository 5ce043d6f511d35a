/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_perf_map.c - any text as a process's perf map, in two pieces. The first byte says where it is cut. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/perf_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(struct perf_map *map)
{
	for (int shift = 0; shift < 64; shift++) {
		const char *name = perf_map_find(map, 0x7fff12345678abcd >> shift);
		if (name && !strlen(name))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(perf_map) struct perf_map *map = NULL;
	const char *text = (const char *)data + 1;
	size_t used;

	if (!size || perf_map_new(&map))
		return 0;
	size_t first = data[0] % size, all = size - 1;
	if (perf_map_add(map, text, first, &used))
		return 0;
	if (used > first)
		abort();
	ask(map);
	if (perf_map_add(map, text + used, all - used, &used))
		return 0;
	ask(map);
	return 0;
}
