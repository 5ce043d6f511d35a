/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/place_naming.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define LIMIT_NS      (10 * NS_PER_S)
#define SHORT_ID_SIZE 12 /* as the runtimes' own programs show ids */

int place_naming_init(struct place_naming *naming, const char *root)
{
	*naming = (struct place_naming){.queue.limit_ns = LIMIT_NS};
	return container_files_open(root, &naming->files);
}

void place_naming_deinit(struct place_naming *naming)
{
	container_files_close(naming->files);
	naming->files = NULL;
}

static void names_apply(struct place_naming *naming, struct place_entry *entry, const struct container_names *names)
{
	for (size_t i = 0; i < LABEL_PLACE_CNT; i++)
		if (names->values[i] && place_entry_set(entry, i, names->values[i], SIZE_MAX) > 0)
			naming->changes++;
}

/* Nothing more is to be learnt, which is news to a selection that waited for it. */
static void place_settle(struct place_naming *naming, struct place_entry *entry)
{
	retry_stop(&naming->queue, &entry->retry);
	entry->place.named = true;
	naming->changes++;
}

/* Looks at the files once. Whether that was all. */
static bool place_look(struct place_naming *naming, struct place_entry *entry)
{
	struct container_names names = {0};
	const char *cgroup = entry->place.cgroup;
	struct cgroup_path path;
	size_t size;
	int err;

	if (entry->is_told) {
		err = container_files_find_by_cgroup(naming->files, cgroup, &names, &size);
	} else {
		cgroup_path_read(cgroup, &path);
		if (entry->maker[0]) /* his files alone */
			path.user = (struct path_piece){entry->maker, strlen(entry->maker)};
		err = container_files_find(naming->files, cgroup, &path, &names);
	}
	if (err)
		return false;
	names_apply(naming, entry, &names);
	bool is_all = names.complete;
	container_names_deinit(&names);
	return is_all;
}

/* The name is its own, or the beginning of the id, until files tell better. */
static int name_read(struct place_entry *entry, const struct cgroup_path *path)
{
	const struct path_piece *id = &path->id;

	if (path->name.size) {
		_cleanup_(free) char *name = cgroup_path_name(path);
		return name ? place_entry_set(entry, LABEL_CONTAINER_NAME, name, SIZE_MAX) : -ENOMEM;
	}
	if (!id->size)
		return 0;
	return place_entry_set(entry, LABEL_CONTAINER_NAME, id->at,
			       id->size > 2 * SHORT_ID_SIZE ? SHORT_ID_SIZE : id->size);
}

int place_naming_read_path(struct place_naming *naming, struct place_entry *entry, const struct cgroup_path *path)
{
	int err = 0;

	if (!path->runtime) {
		entry->place.named = true;
		return place_entry_set(entry, LABEL_SYSTEMD_UNIT, path->unit.at, path->unit.size);
	}
	entry->place.is_container = true;
	entry->is_nested = path->outer_size;
	if (path->runtime[0])
		err = place_entry_set(entry, LABEL_RUNTIME, path->runtime, SIZE_MAX);
	if (err >= 0 && path->id.size)
		err = place_entry_set(entry, LABEL_CONTAINER_ID, path->id.at, path->id.size);
	if (err >= 0)
		err = name_read(entry, path);
	if (err >= 0 && path->pod_uid.size) {
		entry->place.pod_uid = strndup(path->pod_uid.at, path->pod_uid.size);
		err = entry->place.pod_uid ? 0 : -ENOMEM;
	}
	return err;
}

void place_naming_start(struct place_naming *naming, struct place_entry *entry, u64 now_ns)
{
	entry->place.named = false;
	entry->is_ended = false;
	retry_start_now(&naming->queue, &entry->retry, now_ns);
}

void place_naming_told(struct place_naming *naming, struct place_entry *entry, const struct container_names *names,
		       u64 now_ns)
{
	entry->place.is_container = true;
	names_apply(naming, entry, names);
	if (names->complete)
		place_settle(naming, entry);
	else
		retry_start(&naming->queue, &entry->retry, now_ns);
}

void place_naming_end(struct place_naming *naming, struct place_entry *entry, u64 now_ns)
{
	if (entry->place.named)
		return;
	entry->is_ended = true;
	retry_start_now(&naming->queue, &entry->retry, now_ns);
}

void place_naming_forget(struct place_naming *naming, struct place_entry *entry)
{
	retry_stop(&naming->queue, &entry->retry);
}

static struct place_entry *entry_of_retry(struct retry *retry)
{
	return (struct place_entry *)((char *)retry - offsetof(struct place_entry, retry));
}

static void place_ask(struct place_naming *naming, struct place_entry *entry, u64 now_ns)
{
	bool is_last = entry->is_ended || entry->is_nested;

	if (place_look(naming, entry) || is_last || !retry_again(&naming->queue, &entry->retry, now_ns))
		place_settle(naming, entry);
}

bool place_naming_turn(struct place_naming *naming, u64 now_ns, u64 end_ns)
{
	struct retry *retry;

	while ((retry = retry_due(&naming->queue, now_ns))) {
		struct place_entry *entry = entry_of_retry(retry);

		place_ask(naming, entry, now_ns);
		if (clock_monotonic_ns() > end_ns)
			return false;
	}
	return true;
}

void place_naming_hurry(struct place_naming *naming, u64 now_ns, u64 end_ns)
{
	struct retry *retry;

	while (clock_monotonic_ns() <= end_ns && (retry = retry_oldest(&naming->queue, now_ns)))
		place_ask(naming, entry_of_retry(retry), now_ns);
}
