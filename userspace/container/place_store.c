/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/place_store.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static void entry_free(struct place_entry *entry)
{
	for (size_t i = 0; i < LABEL_PLACE_CNT; i++)
		free(entry->place.values[i]);
	free(entry->place.pod_uid);
	free(entry->place.cgroup);
	free(entry);
}
DEFINE_CLEANUP(entry, struct place_entry *, entry_free)

void place_store_deinit(struct place_store *store)
{
	struct place_entry *entry, *next;

	HASH_CLEAR(hh_path, store->by_path);
	HASH_CLEAR(hh_identity, store->by_identity);
	HASH_ITER(hh, store->by_key, entry, next)
	{
		HASH_DELETE(hh, store->by_key, entry);
		entry_free(entry);
	}
	*store = (struct place_store){0};
}

struct place_entry *place_store_at(const struct place_store *store, u32 key)
{
	struct place_entry *entry;

	HASH_FIND(hh, store->by_key, &key, sizeof(key), entry);
	return entry;
}

struct place_entry *place_store_find(const struct place_store *store, const char *identity)
{
	struct place_entry *entry;

	HASH_FIND(hh_identity, store->by_identity, identity, strlen(identity), entry);
	return entry;
}

static bool entry_index(struct place_store *store, struct place_entry *entry, bool is_told)
{
	const struct place *place = &entry->place;

	HASH_ADD(hh, store->by_key, place.key, sizeof(place->key), entry);
	if (entry->failed)
		return false;
	HASH_ADD_KEYPTR(hh_identity, store->by_identity, entry->identity, strlen(entry->identity), entry);
	if (entry->failed) {
		HASH_DELETE(hh, store->by_key, entry);
		return false;
	}
	if (is_told)
		HASH_ADD_KEYPTR(hh_path, store->by_path, place->cgroup, strlen(place->cgroup), entry);
	if (entry->failed) {
		HASH_DELETE(hh, store->by_key, entry);
		HASH_DELETE(hh_identity, store->by_identity, entry);
		return false;
	}
	entry->is_told = is_told;
	return true;
}

int place_store_add(struct place_store *store, const char *identity, const char *cgroup, size_t size, bool is_told,
		    struct place_entry **ret)
{
	size_t identity_size = strlen(identity) + 1;
	_cleanup_(entry) struct place_entry *entry = calloc(1, sizeof(*entry) + identity_size);

	if (!entry)
		return -ENOMEM;
	memcpy(entry->identity, identity, identity_size);
	entry->place.cgroup = strndup(cgroup, size);
	entry->place.key = store->last_key;
	if (!entry->place.cgroup || !entry_index(store, entry, is_told))
		return -ENOMEM;
	store->last_key++;
	*ret = take(entry);
	return 0;
}

struct place_entry *place_store_find_above(const struct place_store *store, const char *path)
{
	size_t size = store->by_path ? strlen(path) : 0;
	struct place_entry *entry = NULL;

	while (size > 1 && !entry) {
		HASH_FIND(hh_path, store->by_path, path, size, entry);
		while (size && path[--size] != '/')
			;
	}
	return entry;
}

void place_store_leave(struct place_store *store, struct place_entry *entry, u64 now_ns)
{
	/* The path is free for another. */
	if (entry->is_told && !entry->failed)
		HASH_DELETE(hh_path, store->by_path, entry);
	entry->place.gone = true;
	entry->forget_ns = now_ns + PLACE_GONE_NS;
	DL_APPEND(store->gone, entry);
	store->gone_cnt++;
}

static void gone_remove(struct place_store *store, struct place_entry *entry)
{
	DL_DELETE(store->gone, entry);
	store->gone_cnt--;
}

void place_store_return(struct place_store *store, struct place_entry *entry)
{
	gone_remove(store, entry);
	entry->place.gone = false;
	entry->failed = false;
	if (entry->is_told)
		HASH_ADD_KEYPTR(hh_path, store->by_path, entry->place.cgroup, strlen(entry->place.cgroup), entry);
}

struct place_entry *place_store_expired(const struct place_store *store, u64 now_ns)
{
	struct place_entry *oldest = store->gone;

	if (!oldest || (oldest->forget_ns > now_ns && store->gone_cnt <= MAX_GONE_PLACES))
		return NULL;
	return oldest->cgroup_cnt ? NULL : oldest;
}

void place_store_forget(struct place_store *store, struct place_entry *entry)
{
	if (entry->place.gone)
		gone_remove(store, entry);
	else if (entry->is_told && !entry->failed)
		HASH_DELETE(hh_path, store->by_path, entry);
	HASH_DELETE(hh, store->by_key, entry);
	HASH_DELETE(hh_identity, store->by_identity, entry);
	entry_free(entry);
}

int place_entry_set(struct place_entry *entry, enum label label, const char *text, size_t size)
{
	char **value = &entry->place.values[label];
	char *copy = size == SIZE_MAX ? strdup(text) : strndup(text, size);

	if (!copy)
		return -ENOMEM;
	bool is_same = *value && !strcmp(*value, copy);
	free(*value);
	*value = copy;
	entry->place.generation += !is_same;
	return !is_same;
}
