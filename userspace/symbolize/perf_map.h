/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * perf_map.h - the names that a process gives the code it made itself: the text of
 * /tmp/perf-PID.map, to which just-in-time compilers append a line for each function
 * (Linux, tools/perf/Documentation/jit-interface.txt):
 *
 *	START SIZE NAME		two hexadecimal numbers; the name is the rest of the line
 *
 * Memory is used again, so a later line replaces what earlier ones say of its range.
 * Pure: reads no file. The text is the process's: anything may be in it.
 */
#ifndef PYPROF_PERF_MAP_H
#define PYPROF_PERF_MAP_H

#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/types.h"

struct perf_map;

int perf_map_new(struct perf_map **ret);
void perf_map_free(struct perf_map *map);
DEFINE_CLEANUP(perf_map, struct perf_map *, perf_map_free)

/*
 * The next bytes of the file. *ret_used: how many were whole lines; the rest comes again with what follows.
 * Lines that are not understood are left out. -E2BIG: more lines than any compiler writes.
 */
int perf_map_add(struct perf_map *map, const char *text, size_t size, size_t *ret_used);

/* NULL when no line covers the address, or memory is short. Valid until something is added. */
const char *perf_map_find(struct perf_map *map, u64 address);

size_t perf_map_bytes(const struct perf_map *map);

#endif
