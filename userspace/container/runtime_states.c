/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/runtime_states.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "container/host_file.h"
#include "process/process_root.h"

#define HASH_NONFATAL_OOM	   1
#define uthash_nonfatal_oom(entry) ((entry)->failed = true)
#include <uthash.h>

#define CONTAINERS_MAX	4096 /* of one directory */
#define NAMESPACES_MAX	64
#define PLACES_MAX	128 /* directories with containers */
#define STATE_FILE_MAX	(1 << 20)
#define STATES_SIZE_MAX (32 << 20) /* bytes of annotations that are kept; of the rest none are */
#define READS_MAX	64 /* files that one call reads, but for the first */

/* A directory of more containers than a few is listed no more often, and what has no file and is not young asked for. */
#define FEW	 64
#define AGAIN_NS (100 * NS_PER_MS)
/* Directories are stamped by a clock that ticks: of two changes within one tick the second does not show. */
#define TICK_NS	 (20 * NS_PER_MS)
#define YOUNG_NS NS_PER_S

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

/* Of a directory: which one, and when a name in it changed. */
struct directory_stamp {
	u64 ino, changed_ns; /* 0: it was not there */
};

/* A directory of one container. */
struct runtime_entry {
	struct runtime_state *state; /* NULL: there is no file, or none that can be read */
	struct directory_stamp stamp; /* before it was read */
	u64 number; /* of the state, in the order in which they were read */
	bool is_read, is_listed;
	bool failed; /* not in the hash, for want of memory */
	UT_hash_handle hh;
	char id[];
};

/* A directory of containers, or of namespaces, as it was when it was listed. */
struct runtime_place {
	const struct runtime_row *row;
	char path[NAME_MAX + 64];
	char name_space[NAME_MAX + 1]; /* "": none */
	struct directory_stamp stamp;
	u64 listed_ns, retried_ns;
	bool unsettled; /* it may have changed after it was listed, in the same tick of the clock */
	bool is_listed;
	struct runtime_entry *entries;
	u32 entry_cnt;
};

struct runtime_states {
	int root_fd;
	struct runtime_place *places[PLACES_MAX]; /* those of rows first */
	u32 place_cnt;
	u32 reads_left; /* in this call */
	u64 opened;
	u64 last_number;
	size_t size; /* of annotations */
};

static int place_add(struct runtime_states *states, const struct runtime_row *row, const char *name_space)
{
	if (states->place_cnt == PLACES_MAX)
		return 0;
	struct runtime_place *place = calloc(1, sizeof(*place));
	if (!place)
		return -ENOMEM;
	place->row = row;
	place->unsettled = place->is_listed = true;
	snprintf(place->name_space, sizeof(place->name_space), "%s", name_space);
	snprintf(place->path, sizeof(place->path), "%s%s%s", row->directory, *name_space ? "/" : "", name_space);
	states->places[states->place_cnt++] = place;
	return 0;
}

int runtime_states_new(int root_fd, struct runtime_states **ret)
{
	_cleanup_(runtime_states) struct runtime_states *states = calloc(1, sizeof(*states));

	if (!states)
		return -ENOMEM;
	states->root_fd = root_fd;
	states->reads_left = UINT32_MAX;
	for (size_t i = 0; i < ROW_CNT; i++) {
		int err = place_add(states, &rows[i], "");
		if (err)
			return err;
	}
	*ret = take(states);
	return 0;
}

static void state_drop(struct runtime_states *states, struct runtime_entry *entry)
{
	if (entry->state)
		states->size -= entry->state->size;
	runtime_state_free(take(entry->state));
}

static void entry_drop(struct runtime_states *states, struct runtime_place *place, struct runtime_entry *entry)
{
	HASH_DELETE(hh, place->entries, entry);
	place->entry_cnt--;
	state_drop(states, entry);
	free(entry);
}

static void place_free(struct runtime_states *states, struct runtime_place *place)
{
	while (place->entries)
		entry_drop(states, place, place->entries);
	free(place);
}

void runtime_states_free(struct runtime_states *states)
{
	if (!states)
		return;
	for (u32 i = 0; i < states->place_cnt; i++)
		place_free(states, states->places[i]);
	free(states);
}

static int state_read(int root_fd, const struct runtime_row *row, const char *directory, const char *id,
		      struct runtime_state **ret)
{
	_cleanup_(runtime_state) struct runtime_state *state = NULL;
	_cleanup_(free) char *text = NULL;
	char path[HOST_PATH_MAX];
	struct stat st;
	size_t size;

	if (snprintf(path, sizeof(path), "%s/%s/%s", directory, id, row->file) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	int err = host_file_read(root_fd, path, STATE_FILE_MAX, &text, &size, &st);
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

static struct directory_stamp stamp_of(const struct stat *st)
{
	return (struct directory_stamp){
		.ino = st->st_ino,
		.changed_ns = (u64)st->st_mtim.tv_sec * NS_PER_S + (u64)st->st_mtim.tv_nsec,
	};
}

static struct directory_stamp stamp_read(int root_fd, const char *path)
{
	_cleanup_(fd) int fd = -1;
	struct stat st;

	if (process_root_find_at(root_fd, path, O_DIRECTORY, 0, &fd) || fstat(fd, &st))
		return (struct directory_stamp){0};
	return stamp_of(&st);
}

static bool stamps_are_equal(struct directory_stamp a, struct directory_stamp b)
{
	return a.ino == b.ino && a.changed_ns == b.changed_ns;
}

static bool is_younger(struct directory_stamp stamp, u64 age_ns)
{
	u64 now_ns = clock_realtime_ns();

	return stamp.changed_ns <= now_ns && stamp.changed_ns + age_ns > now_ns;
}

static int entry_read(struct runtime_states *states, const struct runtime_place *place, struct runtime_entry *entry)
{
	_cleanup_(runtime_state) struct runtime_state *state = NULL;

	entry->is_read = states->reads_left > 0;
	if (!states->reads_left)
		return 0;
	states->reads_left--;
	states->opened++;
	state_drop(states, entry);
	int err = state_read(states->root_fd, place->row, place->path, entry->id, &state);
	if (err)
		return err == -ENOMEM ? err : 0;
	if (*place->name_space) {
		state->name_space = strdup(place->name_space);
		if (!state->name_space)
			return -ENOMEM;
	}
	if (states->size + state->size > STATES_SIZE_MAX) {
		json_object_clear(state->annotations);
		state->size = 0;
	}
	states->size += state->size;
	entry->state = take(state);
	entry->number = ++states->last_number;
	return 0;
}

static int entry_get(struct runtime_place *place, const char *id, struct runtime_entry **ret)
{
	size_t size = strlen(id);
	struct runtime_entry *entry;

	HASH_FIND(hh, place->entries, id, size, entry);
	if (!entry) {
		entry = calloc(1, sizeof(*entry) + size + 1);
		if (!entry)
			return -ENOMEM;
		memcpy(entry->id, id, size);
		HASH_ADD_KEYPTR(hh, place->entries, entry->id, size, entry);
		if (entry->failed) {
			free(entry);
			return -ENOMEM;
		}
		place->entry_cnt++;
	}
	*ret = entry;
	return 0;
}

static int container_seen(struct runtime_states *states, struct runtime_place *place, int directory_fd, const char *id)
{
	struct runtime_entry *entry;
	struct stat st;

	if (fstatat(directory_fd, id, &st, AT_SYMLINK_NOFOLLOW))
		return 0;
	int err = entry_get(place, id, &entry);
	if (err)
		return err;
	entry->is_listed = true;
	if (entry->is_read && stamps_are_equal(entry->stamp, stamp_of(&st)))
		return 0;
	entry->stamp = stamp_of(&st);
	return entry_read(states, place, entry);
}

static int namespace_seen(struct runtime_states *states, const struct runtime_row *row, const char *name)
{
	for (u32 i = ROW_CNT; i < states->place_cnt; i++)
		if (states->places[i]->row == row && !strcmp(states->places[i]->name_space, name)) {
			states->places[i]->is_listed = true;
			return 0;
		}
	return place_add(states, row, name);
}

static bool place_has_namespaces(const struct runtime_place *place)
{
	return place->row->has_namespaces && !*place->name_space;
}

static int names_read(struct runtime_states *states, struct runtime_place *place, DIR *directory)
{
	bool has_namespaces = place_has_namespaces(place);
	u32 max = has_namespaces ? NAMESPACES_MAX : CONTAINERS_MAX;
	const struct dirent *name;
	int err = 0;

	for (u32 i = 0; i < max && !err && (name = readdir(directory));) {
		if (!strcmp(name->d_name, ".") || !strcmp(name->d_name, ".."))
			continue;
		i++;
		err = has_namespaces ? namespace_seen(states, place->row, name->d_name)
				     : container_seen(states, place, dirfd(directory), name->d_name);
	}
	return err;
}

static void unlisted_drop(struct runtime_states *states, struct runtime_place *place)
{
	struct runtime_entry *entry, *next;
	u32 kept = ROW_CNT;

	HASH_ITER(hh, place->entries, entry, next)
	if (!entry->is_listed)
		entry_drop(states, place, entry);
	if (!place_has_namespaces(place))
		return;
	for (u32 i = ROW_CNT; i < states->place_cnt; i++) {
		if (states->places[i]->is_listed)
			states->places[kept++] = states->places[i];
		else
			place_free(states, states->places[i]);
	}
	states->place_cnt = kept;
}

static int place_list(struct runtime_states *states, struct runtime_place *place)
{
	_cleanup_(directory) DIR *directory = NULL;
	struct runtime_entry *entry, *next;

	HASH_ITER(hh, place->entries, entry, next)
	entry->is_listed = false;
	if (place_has_namespaces(place))
		for (u32 i = ROW_CNT; i < states->place_cnt; i++)
			states->places[i]->is_listed &= states->places[i]->row != place->row;
	int err = host_directory_open(states->root_fd, place->path, &directory);
	if (!err)
		err = names_read(states, place, directory);
	if (err && err != -ENOENT)
		return err;
	unlisted_drop(states, place);
	return 0;
}

/* Containers that were found without a file that tells their group. */
static int place_retry(struct runtime_states *states, struct runtime_place *place, u64 now_ns)
{
	bool is_time = now_ns >= place->retried_ns + AGAIN_NS;
	struct runtime_entry *entry, *next;
	char path[HOST_PATH_MAX];
	int err = 0;

	if (is_time)
		place->retried_ns = now_ns;
	HASH_ITER(hh, place->entries, entry, next)
	{
		bool is_young = is_younger(entry->stamp, YOUNG_NS);

		if ((entry->state && entry->state->cgroups[0]) || (entry->is_read && !is_young && !is_time))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", place->path, entry->id) >= (int)sizeof(path))
			continue;
		struct directory_stamp stamp = stamp_read(states->root_fd, path);
		if (entry->is_read && !is_young && stamps_are_equal(stamp, entry->stamp))
			continue;
		entry->stamp = stamp;
		err = entry_read(states, place, entry);
		if (err)
			break;
	}
	return err;
}

static int place_refresh(struct runtime_states *states, struct runtime_place *place)
{
	struct directory_stamp stamp = stamp_read(states->root_fd, place->path);
	u64 now_ns = clock_monotonic_ns();
	int err = 0;

	if ((place->unsettled || !stamps_are_equal(stamp, place->stamp)) &&
	    (place->entry_cnt <= FEW || now_ns >= place->listed_ns + AGAIN_NS)) {
		/* Before it is listed: what comes in between is seen the next time. */
		place->stamp = stamp;
		place->unsettled = is_younger(stamp, TICK_NS);
		place->listed_ns = now_ns;
		err = place_list(states, place);
		if (err)
			place->unsettled = true;
	}
	return err ? err : place_retry(states, place, now_ns);
}

static void states_refresh(struct runtime_states *states)
{
	/* Namespaces that are found come behind, in the same turn. */
	for (u32 i = 0; i < states->place_cnt; i++)
		(void)place_refresh(states, states->places[i]); /* what memory is missing for is read the next time */
	states->reads_left = READS_MAX;
}

/* Whether a group is a state's, or below it, by a longer path than the longest so far, which it is then. */
static bool state_matches(const struct runtime_state *state, const char *cgroup, size_t *longest)
{
	bool matches = false;

	for (size_t k = 0; k < RUNTIME_CGROUPS_MAX && state->cgroups[k]; k++) {
		size_t size = strlen(state->cgroups[k]);

		if (size <= *longest || strncmp(cgroup, state->cgroups[k], size) ||
		    (cgroup[size] && cgroup[size] != '/'))
			continue;
		*longest = size;
		matches = true;
	}
	return matches;
}

const struct runtime_state *runtime_states_find(struct runtime_states *states, const char *cgroup, size_t *ret_size)
{
	const struct runtime_state *found = NULL;
	struct runtime_entry *entry, *next;
	size_t longest = 0;

	states_refresh(states);
	for (u32 i = 0; i < states->place_cnt; i++)
		HASH_ITER(hh, states->places[i]->entries, entry, next)
	if (entry->state && state_matches(entry->state, cgroup, &longest))
		found = entry->state;
	if (found)
		*ret_size = longest;
	return found;
}

u64 runtime_states_look(struct runtime_states *states)
{
	states_refresh(states);
	return states->last_number;
}

u64 runtime_states_for_each_new(const struct runtime_states *states, u64 after, u32 max,
				void (*visit)(void *ctx, const char *cgroup), void *ctx)
{
	u64 last = states->last_number - after > max ? after + max : states->last_number;
	struct runtime_entry *entry, *next;

	for (u32 i = 0; i < states->place_cnt && last > after; i++)
		HASH_ITER(hh, states->places[i]->entries, entry, next)
		{
			if (!entry->state || entry->number <= after || entry->number > last)
				continue;
			for (size_t k = 0; k < RUNTIME_CGROUPS_MAX && entry->state->cgroups[k]; k++)
				visit(ctx, entry->state->cgroups[k]);
		}
	return last;
}

u64 runtime_states_opened(const struct runtime_states *states)
{
	return states->opened;
}
