/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * mapping_origin.h - the file whose text a piece of memory may be a copy of.
 *
 * Memory that was put over a part of a file's mapping, or lies beside one, may
 * hold the file's own bytes: text that was moved to huge pages (node
 * --use-largepages, libhugetlbfs, some databases). Or a JIT has got the addresses of
 * a library that was closed. Here is only what may be; the bytes tell, and
 * mapped_file_get() compares them (process/text_copy.h).
 */
#ifndef PYPROF_MAPPING_ORIGIN_H
#define PYPROF_MAPPING_ORIGIN_H

#include <stdbool.h>

#include "process/mapping.h"
#include "pyprof/types.h"

/* Memory may be compared before it is filled; it is again when an event reports it anew. */
#define MAPPING_ORIGIN_TRIES_MAX 4

struct mapping_origin {
	u64 file_offset; /* of the mapping's `start`. Once is_copy: what the kernel says of the memory instead */
	u64 inode;
	u32 dev_major, dev_minor;
	char *path; /* owned when on the heap, else borrowed */
	u8 tries; /* that found other bytes */
	bool is_copy; /* the bytes are the file's: the mapping has its file and its file_offset */
};

/* Copies the path too. */
int mapping_origin_new(const struct mapping_origin *from, struct mapping_origin **ret);
void mapping_origin_free(struct mapping_origin *origin); /* NULL is fine */

/* No path leads there: it is memory, with a name or without, or a file that was deleted. Only such has an origin. */
bool mapping_is_nameless(const struct mapping *mapping);
/* A file of memory. Where it is no ELF file: a JIT that maps its code twice, to write and to execute. */
bool mapping_is_memory_file(const struct mapping *mapping);
bool mapping_is_copy(const struct mapping *mapping);
/* Whether they say the same of what lies there, offsets apart. */
bool mapping_is_of_same_file(const struct mapping *a, const struct mapping *b);

/* Of a mapping that is put over a known one. False: none. */
bool mapping_origin_of_covered(const struct mapping *known, const struct mapping *mapping, struct mapping_origin *ret);
/* Of a mapping beside a file's: what that, continued, would have there. False: none. */
bool mapping_origin_of_neighbour(const struct mapping *file, const struct mapping *mapping, struct mapping_origin *ret);

/* The bytes are those of the origin: from now on the mapping's offsets are the file's. */
void mapping_accept_origin(struct mapping *mapping);

#endif
