/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * containerd_names.c - the bundles that containerd keeps while a container runs, with the OCI
 * configuration in them, whichever runtime runs it (containerd, core/runtime/v2/bundle.go):
 *
 *	STATE/io.containerd.runtime.v2.task/NAMESPACE/ID/config.json
 *
 * STATE is /run/containerd, or what its administrator chose. Its namespace k8s.io is Kubernetes', moby is dockerd's.
 * `ctr` notes nothing in there: the image that such a container
 * was made of is in containerd's database only. dockerd writes nothing there but what `docker run --annotation` says.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "container/name_cache.h"
#include "container/name_source.h"
#include "container/runtime_states.h"

#define NAMESPACES_MAX 256 /* that are looked into */

/* containerd's state directory: its own, those of distributions of Kubernetes, dockerd's. */
static const char *const states[] = {
	"/run/containerd",
	"/run/k3s/containerd",
	"/run/k0s/containerd",
	"/var/snap/microk8s/common/run/containerd",
	"/run/docker/containerd/daemon",
};

static int config_read(const char *text, size_t size, unsigned dialects, struct name_rows *rows)
{
	_cleanup_(json) json_t *file = json_loadb(text, size, 0, NULL);
	_cleanup_(names) struct container_names names = {0};

	if (!file)
		return -EBADMSG;
	int err = container_names_set_annotations(&names, json_object_get(file, "annotations"), dialects);
	return err ? err : name_rows_add(rows, "", (const char *const *)names.values);
}

static int kubernetes_parse(const char *text, size_t size, bool in_pod, struct name_rows *rows)
{
	return config_read(text, size, DIALECT_CONTAINERD | DIALECT_NERDCTL, rows);
}

static int docker_parse(const char *text, size_t size, bool in_pod, struct name_rows *rows)
{
	return config_read(text, size, DIALECT_NONE, rows);
}

static int other_parse(const char *text, size_t size, bool in_pod, struct name_rows *rows)
{
	return config_read(text, size, DIALECT_NERDCTL, rows);
}

/* Whose a namespace is, and what its configurations say therefore. */
static const struct namespace_row {
	const char *name; /* NULL: any other */
	struct name_file file;
	const char *runtime;
} namespaces[] = {
	{"k8s.io", {kubernetes_parse, HOST_FILE_MAX}, "containerd"},
	{"moby", {docker_parse, HOST_FILE_MAX}, "docker"},
	{NULL, {other_parse, HOST_FILE_MAX}, "containerd"},
};

static const struct namespace_row *namespace_find(const char *name)
{
	const struct namespace_row *row = namespaces;

	while (row->name && strcmp(row->name, name) != 0)
		row++;
	return row;
}

static int path_print(char ret[HOST_PATH_MAX], const char *state, const char *name_space, const char *id)
{
	int size = snprintf(ret, HOST_PATH_MAX, "%s/io.containerd.runtime.v2.task/%s/%s/config.json", state, name_space,
			    id);

	return size < HOST_PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int path_read(struct name_cache *cache, const char *path, const char *name_space, struct container_names *names)
{
	const struct namespace_row *row = namespace_find(name_space);
	int err = name_cache_read(cache, &row->file, path, HOST_ANYBODY, false, "", names);

	return err ? err : container_names_set(names, LABEL_RUNTIME, row->runtime);
}

static int bundle_read(struct name_cache *cache, const char *state, const char *name_space, const char *id,
		       struct container_names *names)
{
	char path[HOST_PATH_MAX];
	int err = path_print(path, state, name_space, id);

	return err ? err : path_read(cache, path, name_space, names);
}

int containerd_bundle_find(struct name_cache *cache, const struct name_file *file, const char *name_space,
			   const char *id, const char *ret[LABEL_PLACE_CNT])
{
	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
		char path[HOST_PATH_MAX];
		int err = path_print(path, states[i], name_space, id);
		if (!err)
			err = name_cache_find(cache, file, path, HOST_ANYBODY, false, "", ret);
		if (err != -ENOENT)
			return err;
	}
	return -ENOENT;
}

int containerd_names_in(struct name_cache *cache, const char *name_space, const char *id, struct container_names *names)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
		int err = bundle_read(cache, states[i], name_space, id, names);
		if (err != -ENOENT)
			return err;
	}
	return -ENOENT;
}

struct bundle_search {
	const struct name_query *query;
	struct container_names *names;
	const char *state;
};

static int namespace_seen(void *data, const char *name_space)
{
	const struct bundle_search *search = data;
	const struct name_query *query = search->query;
	int err = bundle_read(query->cache, search->state, name_space, query->id, search->names);

	return err ? (err == -ENOENT ? 0 : err) : 1;
}

int containerd_state_names(struct name_cache *cache, const struct runtime_state *state, struct container_names *names)
{
	char path[HOST_PATH_MAX];

	if (!state->name_space || !state->bundle)
		return -ENOENT;
	if (snprintf(path, sizeof(path), "%s/config.json", state->bundle) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return path_read(cache, path, state->name_space, names);
}

/* The administrator may have moved containerd's state; what it has runc keep is where it always is, and says where that is. */
static int moved_read(const struct name_query *query, struct container_names *names)
{
	size_t size;
	const struct runtime_state *state = runtime_states_find(query->states, query->cgroup, &size);

	return state && !strcmp(state->id, query->id) ? containerd_state_names(query->cache, state, names) : -ENOENT;
}

int containerd_names(const struct name_query *query, struct container_names *names)
{
	struct bundle_search search = {.query = query, .names = names};
	char path[HOST_PATH_MAX];

	/* Those of users keep theirs where only they see it: in a mount namespace of their own. */
	if (query->owner != HOST_ANYBODY)
		return -ENOENT;
	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
		search.state = states[i];
		snprintf(path, sizeof(path), "%s/io.containerd.runtime.v2.task", states[i]);
		int found = host_directory_list(query->root_fd, path, NAMESPACES_MAX, namespace_seen, &search);
		if (found && found != -ENOENT)
			return found < 0 ? found : 0;
	}
	return moved_read(query, names);
}
