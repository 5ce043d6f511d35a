/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/cgroup_clock.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/strbuf.h"

#define CLOCK_FILE_MAX 65536

/* v1 first: on a hybrid machine the group of a unit may be in v2 as well, without its processes. */
static const struct {
	const char *file;
	const char *key; /* before the number; "": it is the whole text */
	u64 unit_ns;
} clocks[] = {
	{"cpuacct.usage", "", 1},
	{"cpu.stat", "usage_usec ", 1000},
};

static int clock_parse(const char *text, const char *key, u64 unit_ns, u64 *ret_ns)
{
	const char *at = strstr(text, key);
	u64 value;
	char *end;

	if (!at)
		return -ENOENT; /* of v1's controller cpu, which counts only who was throttled */
	errno = 0;
	value = strtoull(at + strlen(key), &end, 10);
	if (errno || end == at + strlen(key) || value > UINT64_MAX / unit_ns)
		return -EBADMSG;
	*ret_ns = value * unit_ns;
	return 0;
}

static int clock_read(const char *root, const char *mount, const char *path, size_t kind, u64 *ret_ns)
{
	_cleanup_(free) char *text = NULL;
	size_t size;
	STRBUF(file);

	strbuf_printf(&file, "%s%s%s/%s", strcmp(root, "/") ? root : "", mount, strcmp(path, "/") ? path : "",
		      clocks[kind].file);
	if (file.failed)
		return -ENOMEM;
	int err = file_read(file.at, CLOCK_FILE_MAX, &text, &size);
	return err ? err : clock_parse(text, clocks[kind].key, clocks[kind].unit_ns, ret_ns);
}

int cgroup_clock_read(const struct hierarchies *hierarchies, const char *path, u64 *ret_ns)
{
	for (size_t kind = 0; kind < sizeof(clocks) / sizeof(*clocks); kind++)
		for (size_t i = 0; i < hierarchies->mount_cnt; i++)
			if (!clock_read(hierarchies->root, hierarchies->mounts[i], path, kind, ret_ns))
				return 0;
	return -ENOENT;
}
