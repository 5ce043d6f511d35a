/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * storage_names.c - what CRI-O and podman keep of a container, in the directories of the library
 * that both are built on (github.com/containers/storage). DRIVER is that of its layers:
 *
 *	STORAGE/DRIVER-containers/ID/userdata/config.json	the OCI configuration, with annotations
 *	STORAGE/DRIVER-containers/containers.json		list of all:
 *		[{"id": ID, "names": ["web"], "metadata": "{\"image-name\":\"docker.io/library/nginx:1.27\"}"}]
 *
 * The former says all of CRI-O's, the latter the names of podman's. volatile-containers.json: those that need not
 * outlive the machine (since 1.45 of the library).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "container/name_cache.h"
#include "container/name_source.h"
#include "container/runtime_states.h"

static const char *const storages[] = {"/run/containers/storage", "/var/lib/containers/storage"};
static const char *const drivers[] = {"overlay", "vfs", "btrfs", "zfs"};
static const char *const lists[] = {"containers.json", "volatile-containers.json"};

static int cri_o_add(const json_t *annotations, bool in_pod, struct name_rows *rows)
{
	_cleanup_(names) struct container_names names = {0};

	int err = container_names_set_annotations(&names, annotations, in_pod ? DIALECT_CRI_O : DIALECT_NONE);
	if (!err)
		err = container_names_set(&names, LABEL_RUNTIME, "cri-o");
	return err ? err : name_rows_add(rows, "", (const char *const *)names.values);
}

/*
 * Who made it says so in an annotation (CRI-O, pkg/annotations; podman, libpod/container_internal_common.go), but a pod's
 * own replaces that in the sandbox's: only where nothing else tells.
 */
static int config_parse(const char *text, size_t size, bool in_pod, struct name_rows *rows)
{
	_cleanup_(json) json_t *file = json_loadb(text, size, 0, NULL);

	if (!file)
		return -EBADMSG;
	const json_t *annotations = json_object_get(file, "annotations");
	const char *maker = json_text(annotations, "io.container.manager");
	return maker && !strcmp(maker, "cri-o") ? cri_o_add(annotations, in_pod, rows) : 0;
}

static int cri_o_config_parse(const char *text, size_t size, bool in_pod, struct name_rows *rows)
{
	_cleanup_(json) json_t *file = json_loadb(text, size, 0, NULL);

	return file ? cri_o_add(json_object_get(file, "annotations"), in_pod, rows) : -EBADMSG;
}

static const struct name_file config_file = {config_parse, HOST_FILE_MAX};
static const struct name_file cri_o_config_file = {cri_o_config_parse, HOST_FILE_MAX};

static int config_read(const struct name_query *query, const char *directory, struct container_names *names)
{
	char path[HOST_PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s/userdata/config.json", directory, query->id) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return name_cache_read(query->cache, strcmp(query->runtime, "cri-o") ? &config_file : &cri_o_config_file, path,
			       query->owner, query->owner == HOST_ANYBODY, "", names);
}

static int listed_add(const json_t *container, struct name_rows *rows)
{
	const char *id = json_text(container, "id"), *text = json_text(container, "metadata");
	_cleanup_(json) json_t *metadata = text ? json_loads(text, 0, NULL) : NULL;
	_cleanup_(names) struct container_names names = {0};

	if (!id || !*id)
		return 0;
	int err = container_names_set(&names, LABEL_CONTAINER_NAME,
				      json_string_value(json_array_get(json_object_get(container, "names"), 0)));
	if (!err)
		err = container_names_set(&names, LABEL_IMAGE, json_text(metadata, "image-name"));
	if (!err)
		err = container_names_set(&names, LABEL_RUNTIME, "podman");
	return err ? err : name_rows_add(rows, id, (const char *const *)names.values);
}

static size_t blanks_size(const char *text)
{
	return strspn(text, " \t\r\n");
}

/* One element after the other: as a whole, a list is many times as large in memory as its text. */
static int list_parse(const char *text, size_t size, bool in_pod, struct name_rows *rows)
{
	const char *at = text + blanks_size(text), *end = text + size;

	if (*at != '[')
		return -EBADMSG;
	at++;
	at += blanks_size(at);
	if (*at == ']')
		return 0;
	for (;;) {
		json_error_t stop;
		_cleanup_(json) json_t *container = json_loadb(at, (size_t)(end - at),
							       JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, &stop);

		if (!container)
			return -EBADMSG;
		int err = listed_add(container, rows);
		if (err)
			return err;
		at += stop.position;
		at += blanks_size(at);
		if (*at == ']')
			return 0;
		if (*at++ != ',')
			return -EBADMSG;
	}
}

static const struct name_file list_file = {list_parse, LIST_FILE_MAX};

static int list_read(const struct name_query *query, const char *directory, const char *list,
		     struct container_names *names)
{
	char path[HOST_PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", directory, list) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return name_cache_read(query->cache, &list_file, path, query->owner, false, query->id, names);
}

/* directory: STORAGE/DRIVER-containers. */
static int directory_read(const struct name_query *query, const char *directory, struct container_names *names)
{
	int err = config_read(query, directory, names);

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists) && err == -ENOENT; i++)
		err = list_read(query, directory, lists[i], names);
	return err;
}

static int storage_read(const struct name_query *query, const char *storage, struct container_names *names)
{
	char directory[HOST_PATH_MAX];
	int err = -ENOENT;

	for (size_t i = 0; i < sizeof(drivers) / sizeof(*drivers) && err == -ENOENT; i++) {
		if (snprintf(directory, sizeof(directory), "%s/%s-containers", storage, drivers[i]) >=
		    (int)sizeof(directory))
			return -ENAMETOOLONG;
		err = directory_read(query, directory, names);
	}
	return err;
}

/*
 * podman's with --root, or a storage.conf that says another place. What runs the container knows
 * where its bundle is: DIRECTORY/ID/userdata.
 */
static int moved_read(const struct name_query *query, struct container_names *names)
{
	_cleanup_(runtime_state) struct runtime_state *state = NULL;
	char end[NAME_MAX + 16];

	int err = runtime_states_read(query->states, query->id, &state);
	if (err)
		return err;
	if (!state->bundle)
		return -ENOENT;
	size_t size = strlen(state->bundle), end_size = (size_t)snprintf(end, sizeof(end), "/%s/userdata", query->id);
	if (size <= end_size || strcmp(state->bundle + size - end_size, end))
		return -ENOENT;
	state->bundle[size - end_size] = 0;
	return directory_read(query, state->bundle, names);
}

int storage_names(const struct name_query *query, struct container_names *names)
{
	char storage[HOST_PATH_MAX];
	int err = -ENOENT;

	if (query->owner != HOST_ANYBODY) {
		if (!query->home)
			return -ENOENT;
		if (snprintf(storage, sizeof(storage), "%s/.local/share/containers/storage", query->home) >=
		    (int)sizeof(storage))
			return -ENAMETOOLONG;
		return storage_read(query, storage, names);
	}
	for (size_t i = 0; i < sizeof(storages) / sizeof(*storages) && err == -ENOENT; i++)
		err = storage_read(query, storages[i], names);
	return err == -ENOENT ? moved_read(query, names) : err;
}
