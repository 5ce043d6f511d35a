/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/cgroup_table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM	   1
#define uthash_nonfatal_oom(entry) ((entry)->failed = true)
#include <uthash.h>
#include <utlist.h>

struct cgroup_entry {
	struct cgroup cgroup; /* first, see entry_of */
	struct cgroup_entry *prev, *next; /* in the list of its state */
	bool failed; /* not in the hash, for want of memory */
	UT_hash_handle hh;
	char path[];
};

struct cgroup_table {
	struct cgroup_entry *by_id;
	struct cgroup_entry *lists[CGROUP_STATE_CNT]; /* each in order of time */
	size_t cnts[CGROUP_STATE_CNT];
};

static const size_t cgroup_limits[CGROUP_STATE_CNT] = {
	[CGROUP_THERE] = MAX_CGROUPS,
	[CGROUP_REMOVED] = MAX_CGROUPS,
	[CGROUP_UNKNOWN] = MAX_UNKNOWN_CGROUPS,
};

static const u64 cgroup_keep_ns[CGROUP_STATE_CNT] = {
	[CGROUP_THERE] = UINT64_MAX,
	[CGROUP_REMOVED] = CGROUP_REMOVED_NS,
	[CGROUP_UNKNOWN] = CGROUP_UNKNOWN_NS,
};

static struct cgroup_entry *entry_of(const struct cgroup *cgroup)
{
	return (struct cgroup_entry *)cgroup;
}

int cgroup_table_new(struct cgroup_table **ret)
{
	struct cgroup_table *table = calloc(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	*ret = table;
	return 0;
}

void cgroup_table_free(struct cgroup_table *table)
{
	struct cgroup_entry *entry, *next;

	if (!table)
		return;
	HASH_CLEAR(hh, table->by_id);
	for (size_t i = 0; i < CGROUP_STATE_CNT; i++)
		DL_FOREACH_SAFE(table->lists[i], entry, next)
	free(entry);
	free(table);
}

struct cgroup *cgroup_table_find(const struct cgroup_table *table, u64 id)
{
	struct cgroup_entry *entry;

	HASH_FIND(hh, table->by_id, &id, sizeof(id), entry);
	return entry ? &entry->cgroup : NULL;
}

static void list_put(struct cgroup_table *table, struct cgroup_entry *entry, enum cgroup_state state, u64 now_ns)
{
	u64 keep_ns = cgroup_keep_ns[state];

	entry->cgroup.state = state;
	entry->cgroup.until_ns = keep_ns == UINT64_MAX ? UINT64_MAX : now_ns + keep_ns;
	DL_APPEND(table->lists[state], entry);
	table->cnts[state]++;
}

static void list_remove(struct cgroup_table *table, struct cgroup_entry *entry)
{
	DL_DELETE(table->lists[entry->cgroup.state], entry);
	table->cnts[entry->cgroup.state]--;
}

int cgroup_table_add(struct cgroup_table *table, u64 id, const char *path, enum cgroup_state state, u64 now_ns,
		     struct cgroup **ret)
{
	size_t size = strlen(path) + 1;

	if (table->cnts[state] >= cgroup_limits[state])
		return -ENOSPC;
	struct cgroup_entry *entry = calloc(1, sizeof(*entry) + size);
	if (!entry)
		return -ENOMEM;
	memcpy(entry->path, path, size);
	entry->cgroup.path = entry->path;
	entry->cgroup.id = id;
	HASH_ADD(hh, table->by_id, cgroup.id, sizeof(id), entry);
	if (entry->failed) {
		free(entry);
		return -ENOMEM;
	}
	list_put(table, entry, state, now_ns);
	*ret = &entry->cgroup;
	return 0;
}

void cgroup_table_retire(struct cgroup_table *table, struct cgroup *cgroup, u64 now_ns)
{
	list_remove(table, entry_of(cgroup));
	list_put(table, entry_of(cgroup), CGROUP_REMOVED, now_ns);
}

void cgroup_table_forget(struct cgroup_table *table, struct cgroup *cgroup)
{
	struct cgroup_entry *entry = entry_of(cgroup);

	list_remove(table, entry);
	HASH_DELETE(hh, table->by_id, entry);
	free(entry);
}

struct cgroup *cgroup_table_expired(const struct cgroup_table *table, u64 now_ns)
{
	for (size_t i = CGROUP_THERE + 1; i < CGROUP_STATE_CNT; i++) {
		struct cgroup_entry *oldest = table->lists[i];

		if (oldest && (oldest->cgroup.until_ns <= now_ns || table->cnts[i] >= cgroup_limits[i]))
			return &oldest->cgroup;
	}
	return NULL;
}

u64 cgroup_table_due_ns(const struct cgroup_table *table)
{
	const struct cgroup_entry *oldest = table->lists[CGROUP_REMOVED];

	return oldest ? oldest->cgroup.until_ns : UINT64_MAX;
}

size_t cgroup_table_cnt(const struct cgroup_table *table, enum cgroup_state state)
{
	return table->cnts[state];
}

struct cgroup *cgroup_table_next(const struct cgroup_table *table, const struct cgroup *cgroup)
{
	struct cgroup_entry *next = cgroup ? entry_of(cgroup)->next : table->lists[CGROUP_THERE];

	return next ? &next->cgroup : NULL;
}
