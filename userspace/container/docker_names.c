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
#include <string.h>

#include "container/name_cache.h"
#include "container/name_source.h"

#define ABOVE_ROOT_MAX 8 /* directories: four are needed, DATA_ROOT/UID.GID/vfs/dir/ID */

/* dockerd's --data-root. */
static const char *const data_roots[] = {"/var/lib/docker", "/var/snap/docker/common/var-lib-docker"};

static int config_parse(const char *text, size_t size, bool in_pod, struct name_rows *rows)
{
	_cleanup_(json) json_t *file = json_loadb(text, size, 0, NULL);
	_cleanup_(names) struct container_names names = {0};

	if (!file)
		return -EBADMSG;
	const json_t *config = json_object_get(file, "Config");
	const char *name = json_text(file, "Name");
	int err = container_names_set(&names, LABEL_CONTAINER_NAME, name && *name == '/' ? name + 1 : name);
	if (!err)
		err = container_names_set(&names, LABEL_IMAGE, json_text(config, "Image"));
	if (!err)
		err = container_names_set_annotations(&names, json_object_get(config, "Labels"),
						      in_pod ? DIALECT_KUBELET : DIALECT_NONE);
	if (!err)
		err = container_names_set(&names, LABEL_RUNTIME, "docker");
	return err ? err : name_rows_add(rows, "", (const char *const *)names.values);
}

static const struct name_file config_file = {config_parse, HOST_FILE_MAX};

static int config_read(const struct name_query *query, const char *data_root, struct container_names *names)
{
	char path[HOST_PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/containers/%s/config.v2.json", data_root, query->id) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return name_cache_read(query->cache, &config_file, path, query->owner, *query->pod_uid, "", names);
}

/* One text, the data root; "graph" is what it was called until docker 17.05. */
static int daemon_parse(const char *text, size_t size, bool in_pod, struct name_rows *rows)
{
	_cleanup_(json) json_t *file = json_loadb(text, size, 0, NULL);
	const char *texts[LABEL_PLACE_CNT] = {0};

	if (!file)
		return -EBADMSG;
	texts[0] = json_text(file, "data-root") ?: json_text(file, "graph");
	return texts[0] ? name_rows_add(rows, "", texts) : 0;
}

static const struct name_file daemon_file = {daemon_parse, HOST_FILE_MAX};

/* Where the administrator moved it to. */
static int moved_read(const struct name_query *query, struct container_names *names)
{
	const char *texts[LABEL_PLACE_CNT];
	char data_root[HOST_PATH_MAX];

	int err = name_cache_find(query->cache, &daemon_file, "/etc/docker/daemon.json", HOST_ANYBODY, false, "",
				  texts);
	if (err)
		return err;
	if (snprintf(data_root, sizeof(data_root), "%s", texts[0]) >= (int)sizeof(data_root))
		return -ENAMETOOLONG;
	return config_read(query, data_root, names);
}

static int root_parse(const char *text, size_t size, bool in_pod, struct name_rows *rows)
{
	_cleanup_(json) json_t *file = json_loadb(text, size, 0, NULL);
	const char *texts[LABEL_PLACE_CNT] = {0};

	if (!file)
		return -EBADMSG;
	texts[0] = json_text(json_object_get(file, "root"), "path");
	return texts[0] ? name_rows_add(rows, "", texts) : 0;
}

static const struct name_file root_file = {root_parse, HOST_FILE_MAX};

/*
 * While it runs, its OCI configuration says where dockerd put its root directory, which is below the data root however
 * that was chosen (in words of the command line too), and whatever file system and map of users it has:
 *
 *	{"root": {"path": "/srv/docker/165536.165536/overlay2/HASH/merged"}}
 */
static int above_root_read(const struct name_query *query, struct container_names *names)
{
	const char *texts[LABEL_PLACE_CNT];
	char path[HOST_PATH_MAX];

	int err = containerd_bundle_find(query->cache, &root_file, "moby", query->id, texts);
	if (err)
		return err;
	if (snprintf(path, sizeof(path), "%s", texts[0]) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	err = -ENOENT;
	for (u32 i = 0; i < ABOVE_ROOT_MAX && err == -ENOENT; i++) {
		char *end = strrchr(path, '/');
		if (!end)
			break;
		*end = '\0';
		err = config_read(query, path, names);
	}
	return err;
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
	int err = moved_read(query, names);
	return err == -ENOENT ? above_root_read(query, names) : err;
}
