/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "process/mapping_origin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int mapping_origin_new(const struct mapping_origin *from, struct mapping_origin **ret)
{
	struct mapping_origin *origin = malloc(sizeof(*origin));

	if (!origin)
		return -ENOMEM;
	*origin = *from;
	origin->path = strdup(from->path);
	if (!origin->path) {
		free(origin);
		return -ENOMEM;
	}
	*ret = origin;
	return 0;
}

void mapping_origin_free(struct mapping_origin *origin)
{
	if (!origin)
		return;
	free(origin->path);
	free(origin);
}

bool mapping_is_nameless(const struct mapping *mapping)
{
	static const char deleted[] = " (deleted)";
	size_t size = strlen(mapping->path), deleted_size = sizeof(deleted) - 1;

	return mapping->path[0] != '/' ||
	       (size > deleted_size && !strcmp(mapping->path + size - deleted_size, deleted));
}

bool mapping_is_memory_file(const struct mapping *mapping)
{
	return !strncmp(mapping->path, "/memfd:", strlen("/memfd:"));
}

bool mapping_is_copy(const struct mapping *mapping)
{
	return mapping->origin && mapping->origin->is_copy;
}

bool mapping_is_of_same_file(const struct mapping *a, const struct mapping *b)
{
	return a->inode == b->inode && a->dev_major == b->dev_major && a->dev_minor == b->dev_minor;
}

/* Moves an origin's offset from one address to another. False: that is before the beginning of the file. */
static bool origin_move(struct mapping_origin *origin, u64 from, u64 to)
{
	if (to < from && origin->file_offset < from - to)
		return false;
	origin->file_offset += to - from;
	return true;
}

static struct mapping_origin origin_of_file(const struct mapping *file)
{
	return (struct mapping_origin){
		.file_offset = file->file_offset,
		.inode = file->inode,
		.dev_major = file->dev_major,
		.dev_minor = file->dev_minor,
		.path = file->path,
	};
}

bool mapping_origin_of_covered(const struct mapping *known, const struct mapping *mapping, struct mapping_origin *ret)
{
	bool is_known = mapping_is_of_same_file(known, mapping);
	struct mapping_origin origin;

	if (known->origin && (known->origin->is_copy || is_known || !known->inode)) {
		origin = *known->origin;
		if (origin.is_copy)
			origin.file_offset = known->file_offset;
		origin.is_copy = false;
	} else if (known->inode && !is_known) {
		origin = origin_of_file(known);
	} else {
		return false;
	}
	if (!origin_move(&origin, known->start, mapping->start))
		return false;
	*ret = origin;
	return true;
}

bool mapping_origin_of_neighbour(const struct mapping *file, const struct mapping *mapping, struct mapping_origin *ret)
{
	struct mapping_origin origin = origin_of_file(file);

	if (!file->inode || mapping_is_of_same_file(file, mapping) ||
	    !origin_move(&origin, file->start, mapping->start))
		return false;
	*ret = origin;
	return true;
}

void mapping_accept_origin(struct mapping *mapping)
{
	u64 file_offset = mapping->file_offset;

	mapping->file_offset = mapping->origin->file_offset;
	mapping->origin->file_offset = file_offset;
	mapping->origin->is_copy = true;
	mapping->origin->tries = 0;
}
