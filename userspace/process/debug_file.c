/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "process/debug_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "process/process_root.h"

#define PLACES_MAX 4

struct places {
	char paths[PLACES_MAX][PATH_MAX + 512];
	size_t cnt;
};

static void add_build_id(struct places *places, struct elf_file *elf)
{
	const u8 *id;
	size_t size;

	if (elf_file_build_id(elf, &id, &size) || size < 2)
		return;
	char *path = places->paths[places->cnt++];
	path += sprintf(path, "/usr/lib/debug/.build-id/%02x/", id[0]);
	for (size_t i = 1; i < size; i++)
		path += sprintf(path, "%02x", id[i]);
	strcpy(path, ".debug");
}

static void add_link(struct places *places, struct elf_file *elf)
{
	static const struct {
		const char *before, *between;
	} around[] = {{"", "/"}, {"", "/.debug/"}, {"/usr/lib/debug", "/"}};
	const char *name = elf_file_debug_name(elf), *path = elf_file_name(elf);
	const char *slash = path[0] == '/' ? strrchr(path, '/') : NULL;

	if (!name || !slash || slash - path >= PATH_MAX)
		return;
	for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++)
		snprintf(places->paths[places->cnt++], sizeof(places->paths[0]), "%s%.*s%s%s", around[i].before,
			 (int)(slash - path), path, around[i].between, name);
}

/* Links are followed: below .build-id some distributions have nothing else. */
static int add_from_root(int pid, const struct places *places, struct elf_file *elf)
{
	char root[32] = "";

	if (pid)
		snprintf(root, sizeof(root), "/proc/%d/root", pid);
	for (size_t i = 0; i < places->cnt; i++) {
		_cleanup_(free) char *path = NULL;
		int fd;

		if (process_root_open(pid, places->paths[i], 0, &fd))
			continue;
		if (asprintf(&path, "%s%s", root, places->paths[i]) < 0) {
			path = NULL;
			close(fd);
			return -ENOMEM;
		}
		if (!elf_file_add_debug_file(elf, fd, path))
			return 0;
	}
	return -ENOENT;
}

int debug_file_add(int pid, struct elf_file *elf)
{
	struct places places = {.cnt = 0};

	add_build_id(&places, elf);
	add_link(&places, elf);
	/* Our own root is ours, also when our first thread has ended, by whose number it would not be found. */
	if (pid && pid != getpid() && !add_from_root(pid, &places, elf))
		return 0;
	return add_from_root(0, &places, elf);
}
