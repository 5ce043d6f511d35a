/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/runtime_states.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/array.h"
#include "container/host_file.h"
#include "process/process_root.h"

#define CONTAINERS_MAX 4096 /* of one directory */
#define NAMESPACES_MAX 64
#define PLACES_MAX     128 /* directories with containers */

static const struct runtime_row {
	const char *directory; /* of its --root */
	bool has_namespaces; /* of containerd, one directory each */
	const char *file;
	const char *runtime;
} rows[] = {
	{"/run/runc", false, "state.json", "runc"},
	{"/run/crun", false, "status", "crun"},
	{"/run/containerd/runc", true, "state.json", "containerd"},
	{"/run/k3s/containerd/runc", true, "state.json", "containerd"},
};

#define ROW_CNT (sizeof(rows) / sizeof(*rows))

/* A directory of containers, as it was when it was read. */
struct runtime_place {
	const struct runtime_row *row;
	char path[NAME_MAX + 64];
	u64 changed_ns; /* 0: it was not there */
	/* It may have changed in the same tick of the clock after it was read, or a file in it was not written yet. */
	bool unsettled;
};

struct runtime_states {
	int root_fd;
	struct runtime_place *places;
	u32 place_cnt, place_capacity;
	struct runtime_state **states;
	u32 state_cnt, state_capacity;
};

int runtime_states_new(int root_fd, struct runtime_states **ret)
{
	struct runtime_states *states = calloc(1, sizeof(*states));

	if (!states)
		return -ENOMEM;
	states->root_fd = root_fd;
	*ret = states;
	return 0;
}

static void states_clear(struct runtime_states *states)
{
	for (u32 i = 0; i < states->state_cnt; i++)
		runtime_state_free(states->states[i]);
	states->state_cnt = 0;
	states->place_cnt = 0;
}

void runtime_states_free(struct runtime_states *states)
{
	if (!states)
		return;
	states_clear(states);
	free(states->states);
	free(states->places);
	free(states);
}

static int state_read(int root_fd, const struct runtime_row *row, const char *directory, const char *id,
		      struct runtime_state **ret)
{
	_cleanup_(runtime_state) struct runtime_state *state = NULL;
	_cleanup_(free) char *text = NULL;
	char path[HOST_PATH_MAX];
	size_t size;

	if (snprintf(path, sizeof(path), "%s/%s/%s", directory, id, row->file) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	int err = host_file_read(root_fd, path, HOST_ANYBODY, &text, &size);
	if (err)
		return err;
	err = runtime_state_parse(text, size, !strcmp(row->file, "status"), &state);
	if (err)
		return err;
	state->runtime = row->runtime;
	state->id = strdup(id);
	if (!state->id)
		return -ENOMEM;
	*ret = take(state);
	return 0;
}

int runtime_states_read(struct runtime_states *states, const char *id, struct runtime_state **ret)
{
	int err = -ENOENT;

	for (size_t i = 0; i < ROW_CNT && err == -ENOENT; i++)
		if (!rows[i].has_namespaces)
			err = state_read(states->root_fd, &rows[i], rows[i].directory, id, ret);
	return err;
}

/* When the names in a directory last changed; 0: there is none. */
static u64 directory_changed_ns(int root_fd, const char *path)
{
	_cleanup_(fd) int fd = -1;
	struct stat st;

	if (process_root_find_at(root_fd, path, O_DIRECTORY, 0, &fd) || fstat(fd, &st))
		return 0;
	return (u64)st.st_mtim.tv_sec * 1000000000 + (u64)st.st_mtim.tv_nsec;
}

static int place_add(struct runtime_states *states, const struct runtime_row *row, const char *name_space)
{
	struct timespec now;

	if (states->place_cnt == PLACES_MAX)
		return 0;
	struct runtime_place *places = array_room(states->places, &states->place_capacity, states->place_cnt,
						  sizeof(*places));
	if (!places)
		return -ENOMEM;
	states->places = places;
	struct runtime_place *place = &places[states->place_cnt++];
	*place = (struct runtime_place){.row = row};
	snprintf(place->path, sizeof(place->path), "%s%s%s", row->directory, *name_space ? "/" : "", name_space);
	/* Before it is read: what comes in between is seen the next time. */
	place->changed_ns = directory_changed_ns(states->root_fd, place->path);
	clock_gettime(CLOCK_REALTIME, &now);
	u64 now_ns = (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec;
	place->unsettled = place->changed_ns + 1000000000 > now_ns;
	return 0;
}

struct state_list {
	struct runtime_states *states;
	u32 place; /* number of it */
	const char *name_space;
};

static int state_seen(void *data, const char *id)
{
	const struct state_list *list = data;
	struct runtime_states *states = list->states;
	struct runtime_place *place = &states->places[list->place];
	_cleanup_(runtime_state) struct runtime_state *state = NULL;

	int err = state_read(states->root_fd, place->row, place->path, id, &state);
	if (err == -ENOENT)
		place->unsettled = true; /* its directory is made before */
	if (err)
		return err == -ENOMEM ? err : 0;
	if (list->name_space) {
		state->name_space = strdup(list->name_space);
		if (!state->name_space)
			return -ENOMEM;
	}
	struct runtime_state **room = array_room(states->states, &states->state_capacity, states->state_cnt,
						 sizeof(*room));
	if (!room)
		return -ENOMEM;
	states->states = room;
	room[states->state_cnt++] = take(state);
	return 0;
}

static int namespace_seen(void *data, const char *name_space)
{
	struct state_list list = *(struct state_list *)data;

	list.name_space = name_space;
	const struct runtime_row *row = list.states->places[list.place].row;
	list.place = list.states->place_cnt;
	int err = place_add(list.states, row, name_space);
	if (err || list.place == list.states->place_cnt)
		return err;
	err = host_directory_list(list.states->root_fd, list.states->places[list.place].path, CONTAINERS_MAX,
				  state_seen, &list);
	return err == -ENOMEM ? err : 0;
}

static int states_load(struct runtime_states *states)
{
	states_clear(states);
	for (size_t i = 0; i < ROW_CNT; i++) {
		struct state_list list = {.states = states, .place = states->place_cnt};

		int err = place_add(states, &rows[i], "");
		if (err)
			return err;
		u32 max = rows[i].has_namespaces ? NAMESPACES_MAX : CONTAINERS_MAX;
		err = host_directory_list(states->root_fd, rows[i].directory, max,
					  rows[i].has_namespaces ? namespace_seen : state_seen, &list);
		if (err == -ENOMEM)
			return err;
	}
	return 0;
}

static bool states_changed(const struct runtime_states *states)
{
	for (u32 i = 0; i < states->place_cnt; i++) {
		const struct runtime_place *place = &states->places[i];

		if (place->unsettled || directory_changed_ns(states->root_fd, place->path) != place->changed_ns)
			return true;
	}
	return !states->place_cnt;
}

const struct runtime_state *runtime_states_find(struct runtime_states *states, const char *cgroup, size_t *ret_size)
{
	const struct runtime_state *found = NULL;
	size_t longest = 0;

	if (states_changed(states) && states_load(states)) {
		states_clear(states);
		return NULL;
	}
	for (u32 i = 0; i < states->state_cnt; i++) {
		const struct runtime_state *state = states->states[i];

		for (size_t k = 0; k < RUNTIME_CGROUPS_MAX && state->cgroups[k]; k++) {
			size_t size = strlen(state->cgroups[k]);

			if (size <= longest || strncmp(cgroup, state->cgroups[k], size) ||
			    (cgroup[size] && cgroup[size] != '/'))
				continue;
			longest = size;
			found = state;
		}
	}
	if (found)
		*ret_size = longest;
	return found;
}
