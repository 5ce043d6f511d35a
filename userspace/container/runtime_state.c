/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "container/host_file.h"
#include "container/runtime_states.h"

#define LABELS_MAX	 1024 /* of one container that are looked at */
#define LABEL_EXTRA_SIZE 128 /* of memory for each, about */

void runtime_state_free(struct runtime_state *state)
{
	if (!state)
		return;
	for (size_t i = 0; i < RUNTIME_CGROUPS_MAX; i++)
		free(state->cgroups[i]);
	json_decref(state->annotations);
	free(state->name_space);
	free(state->bundle);
	free(state->id);
	free(state);
}

/* Unless it is the root's, or known. */
static int cgroup_add(struct runtime_state *state, const char *cgroup)
{
	size_t i;

	if (cgroup[0] != '/' || !cgroup[1])
		return 0;
	for (i = 0; i < RUNTIME_CGROUPS_MAX && state->cgroups[i]; i++)
		if (!strcmp(state->cgroups[i], cgroup))
			return 0;
	if (i == RUNTIME_CGROUPS_MAX)
		return 0;
	state->cgroups[i] = strdup(cgroup);
	return state->cgroups[i] ? 0 : -ENOMEM;
}

/* What follows a directory in a path; NULL: it is not below it. */
static const char *path_below(const char *path, const char *directory)
{
	size_t size = strlen(directory);

	return !strncmp(path, directory, size) && path[size] == '/' ? path + size : NULL;
}

/*
 * {"memory": "/sys/fs/cgroup/memory/mine", "": "/sys/fs/cgroup/unified/mine"}: directories by controller, the
 * unified hierarchy's is "". That is mounted in /sys/fs/cgroup itself where there is no other.
 */
static int cgroups_read(struct runtime_state *state, json_t *paths)
{
	size_t cnt = json_object_size(paths);
	const char *controller;
	json_t *value;

	json_object_foreach(paths, controller, value)
	{
		const char *path = json_string_value(value);
		const char *cgroup = path ? path_below(path, "/sys/fs/cgroup") : NULL;

		if (cgroup && (*controller || cnt > 1))
			cgroup = strchr(cgroup + 1, '/');
		int err = cgroup ? cgroup_add(state, cgroup) : 0;
		if (err)
			return err;
	}
	return 0;
}

/* ["bundle=/var/lib/mine", "KEY=VALUE"]: runc adds the bundle to the annotations. */
static int labels_read(struct runtime_state *state, const json_t *labels)
{
	for (size_t i = 0; i < json_array_size(labels) && i < LABELS_MAX; i++) {
		const char *label = json_string_value(json_array_get(labels, i));
		const char *value = label ? strchr(label, '=') : NULL;

		if (!value)
			continue;
		_cleanup_(free) char *key = strndup(label, (size_t)(value++ - label));
		if (!key || json_object_set_new(state->annotations, key, json_string(value)))
			return -ENOMEM;
		state->size += strlen(label) + LABEL_EXTRA_SIZE;
	}
	const char *bundle = json_text(state->annotations, "bundle");
	if (!bundle)
		return 0;
	state->bundle = strdup(bundle);
	return state->bundle ? 0 : -ENOMEM;
}

static int crun_read(struct runtime_state *state, const json_t *file)
{
	const char *cgroup = json_text(file, "cgroup-path"), *bundle = json_text(file, "bundle");

	if (bundle) {
		state->bundle = strdup(bundle);
		if (!state->bundle)
			return -ENOMEM;
	}
	return cgroup ? cgroup_add(state, cgroup) : 0;
}

int runtime_state_parse(const char *text, size_t size, bool crun, struct runtime_state **ret)
{
	_cleanup_(runtime_state) struct runtime_state *state = calloc(1, sizeof(*state));
	_cleanup_(json) json_t *file = json_loadb(text, size, 0, NULL);

	if (!state)
		return -ENOMEM;
	if (!file)
		return -EBADMSG;
	state->annotations = json_object();
	if (!state->annotations)
		return -ENOMEM;
	int err;
	if (crun) {
		err = crun_read(state, file);
	} else {
		err = cgroups_read(state, json_object_get(file, "cgroup_paths"));
		if (!err)
			err = labels_read(state, json_object_get(json_object_get(file, "config"), "labels"));
	}
	if (err)
		return err;
	*ret = take(state);
	return 0;
}
