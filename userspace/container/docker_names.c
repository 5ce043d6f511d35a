/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * docker_names.c - config.v2.json, which dockerd keeps for each container (moby, container/container.go):
 *
 *	{"Name": "/web", "Config": {"Image": "nginx:1.27", "Labels": {"io.kubernetes.pod.name": ...}}}
 *
 * Labels come from images too, so they say nothing of pods unless the path does.
 */
#include <errno.h>
#include <stdio.h>

#include "container/name_source.h"

/* dockerd's --data-root. */
static const char *const data_roots[] = {"/var/lib/docker", "/var/snap/docker/common/var-lib-docker"};

static int config_read(const struct name_query *query, const char *data_root, struct container_names *names)
{
	_cleanup_(json) json_t *file = NULL;
	char path[HOST_PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/containers/%s/config.v2.json", data_root, query->id) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	int err = host_file_json(query->root_fd, path, query->owner, &file);
	if (err)
		return err;
	const json_t *config = json_object_get(file, "Config");
	const char *name = json_text(file, "Name");
	err = container_names_set(names, LABEL_CONTAINER_NAME, name && *name == '/' ? name + 1 : name);
	if (!err)
		err = container_names_set(names, LABEL_IMAGE, json_text(config, "Image"));
	if (!err)
		err = container_names_set_annotations(names, json_object_get(config, "Labels"), *query->pod_uid);
	if (!err)
		err = container_names_set(names, LABEL_RUNTIME, "docker");
	return err;
}

/* Where the administrator moved it to; "graph" is what it was called until docker 17.05. */
static int moved_read(const struct name_query *query, struct container_names *names)
{
	_cleanup_(json) json_t *file = NULL;

	int err = host_file_json(query->root_fd, "/etc/docker/daemon.json", HOST_ANYBODY, &file);
	if (err)
		return err;
	const char *data_root = json_text(file, "data-root");
	if (!data_root)
		data_root = json_text(file, "graph");
	return data_root ? config_read(query, data_root, names) : -ENOENT;
}

int docker_names(const struct name_query *query, struct container_names *names)
{
	char path[HOST_PATH_MAX];

	if (query->owner != HOST_ANYBODY) {
		if (!query->home)
			return -ENOENT;
		if (snprintf(path, sizeof(path), "%s/.local/share/docker", query->home) >= (int)sizeof(path))
			return -ENAMETOOLONG;
		return config_read(query, path, names);
	}
	for (size_t i = 0; i < sizeof(data_roots) / sizeof(*data_roots); i++) {
		int err = config_read(query, data_roots[i], names);
		if (err != -ENOENT)
			return err;
	}
	return moved_read(query, names);
}
