/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fuzz_container_files.c - the first line is a path of a cgroup; what follows is what every file of every runtime on the host has
 * in it. Names are bounded, and of groups that are there.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/container_files.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#define MOVED "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char root[] = "/tmp/pyprof-fuzz-XXXXXX";

static const char *const links[] = {
	"/etc/docker/daemon.json",
	"/var/lib/docker/containers/" ID "/config.v2.json",
	"/run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID "/config.json",
	"/run/containers/storage/overlay-containers/" ID "/userdata/config.json",
	"/var/lib/containers/storage/vfs-containers/containers.json",
	"/run/runc/box/state.json",
	"/run/runc/" ID "/state.json",
	"/run/crun/cr/status",
	"/run/containerd/runc/default/t1/state.json",
	/* Those whose administrators moved them. */
	"/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/" MOVED "/config.json",
	"/srv/docker/containers/" MOVED "/config.v2.json",
	"/run/containerd/runc/k8s.io/" MOVED "/state.json",
	"/srv/state/config.json",
	"/etc/lxc/lxc.conf",
	"/var/lib/lxc/web/config",
	"/srv/lxc/db/config",
	"/var/log/containers/web_shop_app-" ID ".log",
};

static void root_remove(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	(void)!system(command);
}

static void root_make(void)
{
	if (!mkdtemp(root))
		abort();
	atexit(root_remove);
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		char path[512];

		snprintf(path, sizeof(path), "%s%s", root, links[i]);
		for (char *at = path + sizeof(root); (at = strchr(at, '/')); at++) {
			*at = 0;
			(void)mkdir(path, 0700);
			*at = '/';
		}
		if (symlink("/content", path))
			abort();
	}
}

static void content_put(const uint8_t *data, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/content", root);
	_cleanup_(stream) FILE *out = fopen(path, "w");
	if (!out || fwrite(data, 1, size, out) != size)
		abort();
}

static void names_check(struct container_names *names)
{
	for (size_t i = 0; i < LABEL_PLACE_CNT; i++)
		if (names->values[i] && (!*names->values[i] || strlen(names->values[i]) > CONTAINER_NAME_MAX))
			abort();
	container_names_deinit(names);
}

static void group_look(struct container_files *files, const char *cgroup)
{
	struct container_names names = {0};
	struct cgroup_path path;
	size_t size;

	cgroup_path_read(cgroup, &path);
	if (!container_files_find(files, cgroup, &path, &names))
		names_check(&names);
	if (container_files_find_by_cgroup(files, cgroup, &names, &size))
		return;
	if (path.runtime || !size || size > strlen(cgroup) || (cgroup[size] && cgroup[size] != '/') ||
	    !names.values[LABEL_CONTAINER_ID])
		abort();
	names_check(&names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(container_files) struct container_files *files = NULL;
	const uint8_t *end = memchr(data, '\n', size);

	if (!end)
		return 0;
	if (!strcmp(root + sizeof(root) - 7, "XXXXXX"))
		root_make();
	_cleanup_(free) char *cgroup = strndup((const char *)data, (size_t)(end - data));
	content_put(end + 1, size - (size_t)(end + 1 - data));
	if (!cgroup || container_files_open(root, &files))
		abort();
	group_look(files, cgroup);
	group_look(files, "/parent/" ID);
	group_look(files, "/docker/" ID);
	group_look(files, "/libpod_parent/libpod-" ID);
	group_look(files, "/mine/sub");
	group_look(files, "/lxc.payload.web-1");
	group_look(files, "/alpha/payload/ns");
	return 0;
}
