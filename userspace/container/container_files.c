/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/container_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container/lxc_configs.h"
#include "container/name_cache.h"
#include "container/name_source.h"
#include "container/runtime_states.h"

struct container_files {
	int root_fd;
	struct name_cache *cache;
	struct runtime_states *states;
	struct lxc_configs *lxc;
};

/* Whose files are looked at for whose containers; in this order, until one knows it. */
static const struct source_row {
	const char *runtime; /* as the path tells it. Those that the path does not tell are asked for everywhere */
	name_source *read;
} sources[] = {
	{"docker", docker_names}, {"containerd", containerd_names},
	{"cri-o", storage_names}, {"podman", storage_names},
	{"", runtime_names},	  {"lxc", lxc_names},
};

int container_files_open(const char *root, struct container_files **ret)
{
	_cleanup_(container_files) struct container_files *files = calloc(1, sizeof(*files));

	if (!files)
		return -ENOMEM;
	files->root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (files->root_fd < 0)
		return -errno;
	int err = name_cache_new(files->root_fd, &files->cache);
	if (err)
		return err;
	err = runtime_states_new(files->root_fd, &files->states);
	if (err)
		return err;
	err = lxc_configs_new(files->root_fd, files->cache, &files->lxc);
	if (err)
		return err;
	*ret = take(files);
	return 0;
}

void container_files_close(struct container_files *files)
{
	if (!files)
		return;
	lxc_configs_free(files->lxc);
	runtime_states_free(files->states);
	name_cache_free(files->cache);
	if (files->root_fd >= 0)
		close(files->root_fd);
	free(files);
}

struct runtime_states *container_files_states(const struct container_files *files)
{
	return files->states;
}

/* The homes of users by uid, "NAME:x:UID:GID:WHO:HOME:SHELL" each line. */
static int passwd_parse(const char *text, size_t size, bool in_pod, struct name_rows *rows)
{
	_cleanup_(free) char *copy = strndup(text, size);
	char *rest = copy, *fields[7];

	if (!copy)
		return -ENOMEM;
	for (char *line; (line = strsep(&rest, "\n"));) {
		const char *texts[LABEL_PLACE_CNT] = {0};
		char *end, id[24];
		size_t cnt = 0;

		while (cnt < 7 && line)
			fields[cnt++] = strsep(&line, ":");
		if (cnt < 6 || fields[5][0] != '/')
			continue;
		snprintf(id, sizeof(id), "%lu", strtoul(fields[2], &end, 10));
		if (*end || end == fields[2])
			continue;
		texts[0] = fields[5];
		int err = name_rows_add(rows, id, texts);
		if (err)
			return err;
	}
	return 0;
}

static const struct name_file passwd_file = {passwd_parse, HOST_FILE_MAX};

/* Of a user, from the host's own list. -ENOENT: it does not have that one. */
static int home_find(struct name_cache *cache, u32 uid, char **ret)
{
	const char *texts[LABEL_PLACE_CNT];
	char id[24];

	snprintf(id, sizeof(id), "%u", uid);
	int err = name_cache_find(cache, &passwd_file, "/etc/passwd", HOST_ANYBODY, false, id, texts);
	if (err)
		return err;
	*ret = strdup(texts[0]);
	return *ret ? 0 : -ENOMEM;
}

/* The uid of a pod that the host's kubelet runs, and nobody inside of a container. */
static void pod_uid_copy(const char *cgroup, const struct cgroup_path *path, struct name_query *query)
{
	const struct path_piece *uid = &path->pod_uid;

	if (!uid->size || uid->size >= sizeof(query->pod_uid) || path->user.size)
		return;
	if (path->outer_size && uid->at > cgroup + path->outer_size)
		return;
	for (size_t i = 0; i < uid->size; i++)
		query->pod_uid[i] = uid->at[i] == '_' ? '-' : uid->at[i];
}

static int sources_read(const struct name_query *query, struct container_names *names)
{
	name_source *last = NULL;

	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
		if (*query->runtime && strcmp(query->runtime, sources[i].runtime))
			continue;
		if (sources[i].read == last)
			continue;
		last = sources[i].read;
		int err = sources[i].read(query, names);
		if (!err || err == -ENOMEM)
			return err;
	}
	return -ENOENT;
}

/* What is the same whoever told it. runtime: as the path has it. */
static int names_finish(const char *runtime, struct container_names *names)
{
	const char *in_pod = names->values[LABEL_K8S_CONTAINER];

	if (in_pod) {
		free(take(names->values[LABEL_CONTAINER_NAME]));
		int err = container_names_set(names, LABEL_CONTAINER_NAME, in_pod);
		if (err)
			return err;
		names->complete = true;
	}
	if (*runtime)
		free(take(names->values[LABEL_RUNTIME]));
	return 0;
}

/* The pod's own names, if the container's files did not say them. err: what they did say. */
static int pod_read(const struct name_query *query, int err, struct container_names *names)
{
	names->complete = !err;
	if (err == -ENOMEM || (!err && (!*query->pod_uid || names->values[LABEL_K8S_CONTAINER])))
		return err;
	int pod_err = kubelet_names(query, names);
	if (pod_err == -ENOMEM)
		return pod_err;
	names->complete = !err || (!pod_err && !*query->id);
	return err && pod_err ? -ENOENT : 0;
}

static int query_init(const struct container_files *files, const char *cgroup, const struct cgroup_path *path,
		      struct name_query *query, char **ret_home)
{
	*query = (struct name_query){
		.root_fd = files->root_fd,
		.cache = files->cache,
		.states = files->states,
		.lxc = files->lxc,
		.cgroup = cgroup,
		.runtime = path->runtime ? path->runtime : "",
		.owner = HOST_ANYBODY,
	};
	/* What is inside of another has its files there, and not among the host's, whoever it says that it is. */
	if (!path->outer_size && host_name_is_safe(path->id.at, path->id.size))
		memcpy(query->id, path->id.at, path->id.size);
	pod_uid_copy(cgroup, path, query);
	if (!path->user.size)
		return 0;
	unsigned long uid = strtoul(path->user.at, NULL, 10);
	if (uid >= HOST_ANYBODY)
		return -ENOENT;
	query->owner = (u32)uid;
	int err = home_find(files->cache, query->owner, ret_home);
	query->home = *ret_home;
	return err;
}

int container_files_find(struct container_files *files, const char *cgroup, const struct cgroup_path *path,
			 struct container_names *ret)
{
	struct container_names names = {0};
	struct name_query query;
	_cleanup_(free) char *home = NULL;

	name_cache_look(files->cache);
	int err = path->runtime ? query_init(files, cgroup, path, &query, &home) : -ENOENT;
	if (err)
		return err;
	err = pod_read(&query, *query.id ? sources_read(&query, &names) : -ENOENT, &names);
	if (!err)
		err = names_finish(path->runtime, &names);
	if (err) {
		container_names_deinit(&names);
		return err;
	}
	*ret = names;
	return 0;
}

/* What containerd names /NAMESPACE/ID by itself. */
static int containerd_find(const struct container_files *files, const char *cgroup, struct container_names *names,
			   size_t *ret_size)
{
	size_t space_size = strcspn(cgroup + 1, "/");
	const char *id_at = cgroup + 1 + space_size;
	size_t id_size = *id_at ? strcspn(++id_at, "/") : 0;
	char name_space[NAME_MAX + 1], id[NAME_MAX + 1];

	if (!host_name_is_safe(cgroup + 1, space_size) || !host_name_is_safe(id_at, id_size))
		return -ENOENT;
	snprintf(name_space, sizeof(name_space), "%.*s", (int)space_size, cgroup + 1);
	snprintf(id, sizeof(id), "%.*s", (int)id_size, id_at);
	int err = containerd_names_in(files->cache, name_space, id, names);
	if (!err)
		err = container_names_set(names, LABEL_CONTAINER_ID, id);
	if (!err)
		*ret_size = (size_t)(id_at - cgroup) + id_size;
	return err;
}

static int group_find(struct container_files *files, const struct name_query *query, struct container_names *names,
		      size_t *ret_size)
{
	const struct runtime_state *state = runtime_states_find(files->states, query->cgroup, ret_size);

	if (!state) {
		int err = containerd_find(files, query->cgroup, names, ret_size);

		return err == -ENOENT ? lxc_names_by_cgroup(query, names, ret_size) : err;
	}
	int err = containerd_state_names(files->cache, state, names);
	if (err && err != -ENOMEM && state->name_space)
		err = containerd_names_in(files->cache, state->name_space, state->id, names);
	if (err == -ENOMEM)
		return err;
	err = runtime_state_names(state, *query->pod_uid, names);
	return err ? err : container_names_set(names, LABEL_CONTAINER_ID, state->id);
}

int container_files_find_by_cgroup(struct container_files *files, const char *cgroup, struct container_names *ret,
				   size_t *ret_size)
{
	struct container_names names = {0};
	struct cgroup_path path;
	struct name_query query;
	_cleanup_(free) char *home = NULL;
	size_t size;

	name_cache_look(files->cache);
	cgroup_path_read(cgroup, &path);
	if (path.runtime || *cgroup != '/' || query_init(files, cgroup, &path, &query, &home) == -ENOMEM)
		return -ENOENT;
	int err = group_find(files, &query, &names, &size);
	/* Its id is its name where it has no other. */
	if (!err)
		err = container_names_set(&names, LABEL_CONTAINER_NAME, names.values[LABEL_CONTAINER_ID]);
	if (!err) {
		snprintf(query.id, sizeof(query.id), "%s", names.values[LABEL_CONTAINER_ID]);
		err = pod_read(&query, 0, &names);
	}
	if (!err)
		err = names_finish("", &names);
	if (err) {
		container_names_deinit(&names);
		return err;
	}
	*ret = names;
	*ret_size = size;
	return 0;
}
