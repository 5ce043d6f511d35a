/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/group_maker.h"

#include <errno.h>
#include <string.h>

static bool path_ends(const char *path, size_t size, const char *end)
{
	size_t end_size = strlen(end);

	return size >= end_size && !memcmp(path + size - end_size, end, end_size);
}

/* What systemd gives to others, and removes. */
static bool is_unit(const char *path, size_t size)
{
	return path_ends(path, size, ".service") || path_ends(path, size, ".scope");
}

u32 group_maker_find(const struct hierarchy *hierarchy, const char *path, size_t size, size_t until)
{
	bool is_open = false;

	for (size_t end = 1; end <= size; end++) {
		struct group_owner owner;

		if (end < size && path[end] != '/')
			continue;
		/* Whoever may write to the directory above made it: he owns it, unless root gave it away since. */
		if (!is_open && (end == size || end >= until))
			break;
		int err = hierarchy_owner(hierarchy, path, end, &owner);
		if (!err && !owner.is_root)
			return owner.uid;
		if (err == -ENOENT && (is_open || is_unit(path, end)))
			return MAKER_UNKNOWN;
		is_open = !err && owner.is_open;
	}
	return MAKER_ROOT;
}
