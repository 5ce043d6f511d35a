/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_cgroup_path.c - any text as the path of a cgroup: what is found in it lies in it, and is found again without what follows. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "container/cgroup_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_piece(const char *text, size_t size, struct path_piece piece)
{
	if (piece.size && (piece.at < text || piece.at + piece.size > text + size || memchr(piece.at, '/', piece.size)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(free) char *text = strndup((const char *)data, size);
	struct cgroup_path path, again;

	if (!text)
		return 0;
	cgroup_path_read(text, &path);
	if (path.size > strlen(text) || path.outer_size > path.size || (path.outer_size && !path.runtime))
		abort();
	if (!path.runtime != !path.id.size || (path.runtime && path.unit.size) ||
	    !path.size != !(path.runtime || path.unit.size))
		abort();
	/* What is more in it than the container or unit itself. */
	size_t end = path.size ? path.size : strlen(text);
	check_piece(text, end, path.id);
	check_piece(text, end, path.name);
	check_piece(text, end, path.unit);
	check_piece(text, strlen(text), path.pod_uid);
	check_piece(text, strlen(text), path.user);
	_cleanup_(free) char *name = cgroup_path_name(&path);
	if (name && strlen(name) > path.name.size)
		abort();

	if (!path.size)
		return 0;
	text[path.size] = 0;
	cgroup_path_read(text, &again);
	if (again.runtime != path.runtime || again.size != path.size || again.id.at != path.id.at ||
	    again.unit.at != path.unit.at)
		abort();
	return 0;
}
