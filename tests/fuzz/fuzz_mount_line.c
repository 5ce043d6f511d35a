/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_mount_line.c - any text as /proc/PID/mountinfo, as /proc/PID/cgroup, and as a path that somebody typed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "container/hierarchies.h"
#include "container/mount_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const uint8_t *data, size_t size, const struct mount_text *text)
{
	_cleanup_(free) char *copy = NULL;

	if (text->size && ((const uint8_t *)text->at < data || (const uint8_t *)text->at + text->size > data + size))
		abort();
	if (!mount_text_copy(text, &copy) && strlen(copy) > text->size)
		abort();
	mount_text_has(text, "pids");
}

static void check_mounts(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_of(data, size);
	struct mount_line line;

	while (cursor_left(&c)) {
		size_t left = cursor_left(&c);
		int err = mount_line_parse(&c, &line);

		if (c.bad || cursor_left(&c) >= left)
			abort(); /* it would never end */
		if (err)
			continue;
		check_text(data, size, &line.root);
		check_text(data, size, &line.target);
		check_text(data, size, &line.type);
		check_text(data, size, &line.options);
	}
}

static void check_cgroup_file(const uint8_t *data, size_t size)
{
	static const char *const controllers[] = {"", "pids"};

	for (size_t i = 0; i < 2; i++) {
		_cleanup_(free) char *path = NULL;

		if (!cgroup_file_path((const char *)data, size, controllers[i], &path) && path[0] != '/')
			abort();
	}
}

static void check_typed(const uint8_t *data, size_t size)
{
	struct hierarchies hierarchies = {.mounts = {(char *)"/sys/fs/cgroup", (char *)"/sys/fs/cgroup/pids"},
					  .mount_cnt = 2};
	_cleanup_(free) char *text = strndup((const char *)data, size), *path = NULL;

	if (!text || hierarchies_path(&hierarchies, text, &path))
		return;
	if (path[0] != '/' || strstr(path, "//") || strstr(path, "/./") || strstr(path, "/../") ||
	    (path[1] && path[strlen(path) - 1] == '/'))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_mounts(data, size);
	check_cgroup_file(data, size);
	check_typed(data, size);
	return 0;
}
