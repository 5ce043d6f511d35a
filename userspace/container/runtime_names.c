/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* runtime_names.c - a container that runc or crun was told to run by no program that is known: its id is its name. */
#include <errno.h>
#include <string.h>

#include "container/name_source.h"
#include "container/runtime_states.h"

/*
 * runc notes the annotations that it was given. Whose these are is told by whom it was run for: containerd has a bundle, with
 * the same and more (containerd_names.c); podman and CRI-O say who they are, and what podman has there is its users'.
 */
static unsigned state_dialects(const struct runtime_state *state, bool in_pod)
{
	const char *maker = json_text(state->annotations, "io.container.manager");

	if (!in_pod || state->name_space)
		return DIALECT_NONE;
	if (!maker)
		return DIALECT_KUBELET;
	return strcmp(maker, "cri-o") ? DIALECT_NONE : DIALECT_CRI_O;
}

int runtime_state_names(const struct runtime_state *state, bool in_pod, struct container_names *names)
{
	int err = container_names_set_annotations(names, state->annotations, state_dialects(state, in_pod));

	if (!err)
		err = container_names_set(names, LABEL_CONTAINER_NAME, state->id);
	return err ? err : container_names_set(names, LABEL_RUNTIME, state->runtime);
}

int runtime_names(const struct name_query *query, struct container_names *names)
{
	_cleanup_(runtime_state) struct runtime_state *state = NULL;
	size_t size;

	if (query->owner != HOST_ANYBODY)
		return -ENOENT;
	int err = *query->id ? runtime_states_read(query->states, query->id, &state) : -ENOENT;
	if (!err)
		return runtime_state_names(state, *query->pod_uid, names);
	/* It may be called otherwise than its group. */
	const struct runtime_state *known = runtime_states_find(query->states, query->cgroup, &size);
	return known ? runtime_state_names(known, *query->pod_uid, names) : -ENOENT;
}
