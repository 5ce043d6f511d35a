/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/place.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "container/cgroup_table.h"
#include "container/hierarchies.h"
#include "container/place_members.h"
#include "container/place_naming.h"
#include "container/place_owners.h"
#include "container/place_store.h"

#define TURN_NS	       (5 * NS_PER_MS)
#define REST_TIMES     9 /* what a turn took that was not enough: at most a tenth of a CPU */
#define NAME_NS	       (20 * NS_PER_MS) /* of place_table_name() */
#define NAME_ALL_NS    (2 * NS_PER_S)
#define CHECK_AGAIN_NS (10 * NS_PER_S)

struct place_table {
	struct place_members members;
	struct place_owners owners;
	u64 rest_until_ns;
	u64 check_from_ns; /* when a full table is looked through again for what is gone */
};

int place_table_new_at(struct hierarchies *hierarchies, const char *root, struct place_table **ret)
{
	_cleanup_(place_table) struct place_table *table = calloc(1, sizeof(*table));

	if (!table) {
		hierarchies_close(hierarchies);
		return -ENOMEM;
	}
	place_owners_init(&table->owners, &table->members);
	int err = place_members_init(&table->members, hierarchies, root);
	if (err)
		return err;
	*ret = take(table);
	return 0;
}

int place_table_new(struct place_table **ret)
{
	struct hierarchies hierarchies;

	int err = hierarchies_open(&hierarchies);
	return err ? err : place_table_new_at(&hierarchies, hierarchies.root, ret);
}

void place_table_free(struct place_table *table)
{
	if (!table)
		return;
	place_members_deinit(&table->members);
	free(table);
}

enum cgroup_v1 place_table_v1(const struct place_table *table)
{
	return table->members.hierarchies.v1_kind;
}

const struct hierarchies *place_table_hierarchies(const struct place_table *table)
{
	return &table->members.hierarchies;
}

u64 place_table_generation(const struct place_table *table)
{
	return table->members.naming.changes + table->members.moves;
}

static void cgroup_forget(struct place_table *table, struct cgroup *cgroup, u64 now_ns)
{
	place_owners_forget(&table->owners, cgroup);
	place_members_leave(&table->members, cgroup, now_ns);
	cgroup_table_forget(table->members.cgroups, cgroup);
}

static void cgroups_sweep(struct place_table *table, u64 now_ns)
{
	struct cgroup *cgroup;

	while ((cgroup = cgroup_table_expired(table->members.cgroups, now_ns)))
		cgroup_forget(table, cgroup, now_ns);
}

static void cgroup_remove(struct place_table *table, struct cgroup *cgroup, u64 now_ns)
{
	place_owners_end(&table->owners, cgroup, now_ns);
	cgroups_sweep(table, now_ns);
	cgroup_table_retire(table->members.cgroups, cgroup, now_ns);
	struct place_entry *entry = cgroup->place;
	if (!--entry->there_cnt && entry != table->members.host)
		place_members_end(&table->members, entry, now_ns);
}

/* Those that were removed without news of it. Whether there were any. */
static bool cgroups_check(struct place_table *table, u64 now_ns)
{
	struct cgroup *cgroup = cgroup_table_next(table->members.cgroups, NULL), *next;
	bool found = false, is_there;

	table->check_from_ns = now_ns + CHECK_AGAIN_NS;
	for (; cgroup; cgroup = next) {
		next = cgroup_table_next(table->members.cgroups, cgroup);
		if (hierarchy_has(place_members_hierarchy(&table->members, cgroup->id), cgroup->id & ~CGROUP_V1_BIT,
				  cgroup->path, &is_there) ||
		    is_there)
			continue;
		cgroup_remove(table, cgroup, now_ns);
		cgroup->news_ns = now_ns; /* what is told of its beginning from now on is older */
		found = true;
	}
	table->members.moves += found;
	return found;
}

/* It is there, under this path. */
static int cgroup_add(struct place_table *table, u64 id, const char *path, bool is_new, struct cgroup **ret)
{
	struct cgroup *cgroup = cgroup_table_find(table->members.cgroups, id);
	u64 now_ns = clock_monotonic_ns();

	if (cgroup && cgroup->state == CGROUP_THERE && !strcmp(cgroup->path, path)) {
		*ret = cgroup;
		return 0;
	}
	if (cgroup)
		cgroup_forget(table, cgroup, now_ns);
	int err = cgroup_table_add(table->members.cgroups, id, path, CGROUP_THERE, now_ns, &cgroup);
	if (err == -ENOSPC && now_ns >= table->check_from_ns && cgroups_check(table, now_ns))
		err = cgroup_table_add(table->members.cgroups, id, path, CGROUP_THERE, now_ns, &cgroup);
	if (err)
		return err;
	place_owners_settle(&table->owners, cgroup, is_new, now_ns);
	*ret = cgroup;
	return 0;
}

struct place_walk {
	struct place_table *table;
	u64 bit;
	bool is_new; /* place_owners_settle() */
};

static int walk_visit(void *ctx, u64 id, const char *path)
{
	struct place_walk *walk = ctx;
	struct cgroup *cgroup;

	return cgroup_add(walk->table, id | walk->bit, path, walk->is_new, &cgroup);
}

static int groups_walk(struct place_table *table, bool is_new)
{
	struct place_walk v1 = {table, CGROUP_V1_BIT, is_new}, v2 = {table, 0, is_new};

	int err = hierarchy_walk(&table->members.hierarchies.v1, walk_visit, &v1);
	return err && err != -ENOSPC ? err : hierarchy_walk(&table->members.hierarchies.v2, walk_visit, &v2) ?: err;
}

int place_table_walk(struct place_table *table)
{
	return groups_walk(table, false);
}

int place_table_resync(struct place_table *table)
{
	cgroups_check(table, clock_monotonic_ns());
	return groups_walk(table, true);
}

static void record_path(const struct cgroup_record *record, char ret[CGROUP_PATH_SIZE])
{
	size_t size = strnlen(record->path, CGROUP_PATH_SIZE - 1); /* the record is cut behind its NUL */

	memcpy(ret, record->path, size);
	ret[size] = 0;
}

int place_table_add(struct place_table *table, const struct cgroup_record *record, struct place **ret)
{
	bool is_v1 = record->cgroup_id & CGROUP_V1_BIT;
	char path[CGROUP_PATH_SIZE];
	struct cgroup *cgroup;

	if ((is_v1 && !table->members.hierarchies.v1_kind) || record->path[0] != '/') {
		*ret = NULL;
		return 0;
	}
	cgroup = cgroup_table_find(table->members.cgroups, record->cgroup_id);
	if (cgroup && record->record.time_ns < cgroup->news_ns) {
		*ret = cgroup->state == CGROUP_THERE ? &cgroup->place->place : NULL;
		return 0;
	}
	record_path(record, path);
	int err = cgroup_add(table, record->cgroup_id, path, true, &cgroup);
	if (err)
		return err;
	cgroup->news_ns = record->record.time_ns;
	*ret = &cgroup->place->place;
	return 0;
}

/* Its end is the first that is heard of it. What it was is for its samples; that it is gone, for its beginning. */
static void cgroup_add_removed(struct place_table *table, const struct cgroup_record *record, u64 now_ns)
{
	char path[CGROUP_PATH_SIZE];
	struct cgroup *cgroup;

	record_path(record, path);
	cgroups_sweep(table, now_ns);
	if (cgroup_table_add(table->members.cgroups, record->cgroup_id, path, CGROUP_REMOVED, now_ns, &cgroup))
		return;
	cgroup->news_ns = record->record.time_ns;
	if (path[0] == '/')
		place_owners_settle(&table->owners, cgroup, true, now_ns);
	else
		place_members_enter(&table->members, cgroup, table->members.host);
	struct place_entry *entry = cgroup->place;
	if (!entry->there_cnt && !entry->place.gone && entry != table->members.host)
		place_members_end(&table->members, entry, now_ns);
}

bool place_table_remove(struct place_table *table, const struct cgroup_record *record)
{
	struct cgroup *cgroup = cgroup_table_find(table->members.cgroups, record->cgroup_id);
	u64 now_ns = clock_monotonic_ns();

	if (cgroup && record->record.time_ns < cgroup->news_ns)
		return cgroup->state != CGROUP_THERE;
	if (cgroup && cgroup->state == CGROUP_UNKNOWN) {
		cgroup_forget(table, cgroup, now_ns);
		cgroup = NULL;
	}
	if (!cgroup) {
		cgroup_add_removed(table, record, now_ns);
		return true;
	}
	if (cgroup->state == CGROUP_THERE)
		cgroup_remove(table, cgroup, now_ns);
	else /* we had looked: it is kept for as long as others from now on */
		cgroup_table_retire(table->members.cgroups, cgroup, now_ns);
	cgroup->news_ns = record->record.time_ns;
	return true;
}

/* Reads what the id is the first time that it is met; what cannot be read is remembered for a second. */
static struct place_entry *cgroup_read(struct place_table *table, u64 id, u32 pid, u64 now_ns)
{
	const struct hierarchy *hierarchy = place_members_hierarchy(&table->members, id);
	_cleanup_(free) char *path = NULL;
	struct cgroup *cgroup;

	int there = hierarchy_find(hierarchy, id & ~CGROUP_V1_BIT, &path), err = there;
	if (err)
		err = hierarchy_find_by_process(hierarchy, pid, id & ~CGROUP_V1_BIT, &path);
	if (!err)
		err = cgroup_add(table, id, path, true, &cgroup);
	if (!err) {
		struct place_entry *entry = cgroup->place;

		if (there == -ESTALE)
			cgroup_remove(table, cgroup, now_ns);
		return entry;
	}
	cgroups_sweep(table, now_ns);
	if (!cgroup_table_add(table->members.cgroups, id, "", CGROUP_UNKNOWN, now_ns, &cgroup))
		place_members_enter(&table->members, cgroup, table->members.host);
	return table->members.host;
}

static struct place_entry *place_of_id(struct place_table *table, u64 id, u32 pid)
{
	struct cgroup *cgroup = id ? cgroup_table_find(table->members.cgroups, id) : NULL;
	u64 now_ns;

	if (!id || (cgroup && cgroup->state != CGROUP_UNKNOWN))
		return id ? cgroup->place : table->members.host;
	now_ns = clock_monotonic_ns();
	if (cgroup && cgroup->until_ns > now_ns)
		return cgroup->place;
	if (cgroup)
		cgroup_forget(table, cgroup, now_ns);
	return cgroup_read(table, id, pid, now_ns);
}

static int place_rank(const struct place_table *table, const struct place_entry *entry)
{
	return entry->place.is_container ? 2 : entry != table->members.host;
}

struct place *place_table_find(struct place_table *table, u64 cgroup_id, u64 cgroup_v1_id, u32 pid)
{
	struct place_entry *v2 = place_of_id(table, cgroup_id, pid);
	struct place_entry *v1 = place_of_id(table, cgroup_v1_id, pid);
	int v2_rank = place_rank(table, v2), v1_rank = place_rank(table, v1);

	/* Of two containers the inner one: a runtime within a container may have only one hierarchy to itself. */
	if (v1_rank == v2_rank)
		return strlen(v1->place.cgroup) > strlen(v2->place.cgroup) ? &v1->place : &v2->place;
	return v1_rank > v2_rank ? &v1->place : &v2->place;
}

bool place_table_is_settled(const struct place_table *table, u64 cgroup_id)
{
	const struct cgroup *cgroup = cgroup_table_find(table->members.cgroups, cgroup_id);

	return !cgroup || !cgroup->retry.waits;
}

struct place *place_table_at(struct place_table *table, u32 key)
{
	struct place_entry *entry = place_store_at(&table->members.places, key);

	return entry ? &entry->place : NULL;
}

/* What is due, half of the time for each kind. How long it took if that was not enough; else 0. */
static u64 names_turn(struct place_table *table, u64 now_ns)
{
	u64 start_ns = clock_monotonic_ns();

	bool was_enough = place_owners_turn(&table->owners, now_ns, start_ns + TURN_NS / 2);
	u64 end_ns = clock_monotonic_ns() + TURN_NS / 2;
	was_enough &= place_naming_turn(&table->members.naming, now_ns, end_ns);
	return was_enough ? 0 : clock_monotonic_ns() - start_ns;
}

void place_table_turn(struct place_table *table, u64 now_ns, void (*gone)(void *ctx, struct place *place), void *ctx)
{
	struct place_entry *entry;

	if (now_ns >= table->rest_until_ns) {
		u64 took_ns = names_turn(table, now_ns);

		if (took_ns)
			table->rest_until_ns = now_ns + took_ns + REST_TIMES * took_ns;
	}
	cgroups_sweep(table, now_ns);
	while ((entry = place_store_expired(&table->members.places, now_ns))) {
		if (gone)
			gone(ctx, &entry->place);
		place_naming_forget(&table->members.naming, entry);
		place_store_forget(&table->members.places, entry);
	}
}

static u64 min_ns(u64 a, u64 b)
{
	return a < b ? a : b;
}

u64 place_table_due_ns(const struct place_table *table)
{
	u64 names_ns = min_ns(place_naming_due_ns(&table->members.naming), place_owners_due_ns(&table->owners));
	u64 gone_ns = table->members.places.gone ? table->members.places.gone->forget_ns : UINT64_MAX;

	if (names_ns < table->rest_until_ns)
		names_ns = table->rest_until_ns;
	return min_ns(names_ns, min_ns(gone_ns, cgroup_table_due_ns(table->members.cgroups)));
}

static void names_hurry(struct place_table *table, u64 budget_ns)
{
	place_owners_look(&table->owners);
	u64 now_ns = clock_monotonic_ns();
	place_owners_hurry(&table->owners, now_ns, now_ns + budget_ns / 2);
	place_naming_hurry(&table->members.naming, now_ns, clock_monotonic_ns() + budget_ns / 2);
}

void place_table_name(struct place_table *table)
{
	names_hurry(table, NAME_NS);
}

void place_table_name_all(struct place_table *table)
{
	names_hurry(table, NAME_ALL_NS);
}

int place_table_for_each(struct place_table *table, int (*visit)(void *ctx, struct place *place), void *ctx)
{
	struct place_entry *entry, *next;
	int err = 0;

	HASH_ITER(hh, table->members.places.by_key, entry, next)
	{
		err = visit(ctx, &entry->place);
		if (err)
			break;
	}
	return err;
}

int place_table_for_each_cgroup(struct place_table *table, const struct place *place,
				int (*visit)(void *ctx, u64 cgroup_id), void *ctx)
{
	struct cgroup *cgroup = NULL;
	int err = 0;

	while (!err && (cgroup = cgroup_table_next(table->members.cgroups, cgroup)))
		if (&cgroup->place->place == place)
			err = visit(ctx, cgroup->id);
	return err;
}

int place_table_for_each_cgroup_all(struct place_table *table,
				    int (*visit)(void *ctx, u64 cgroup_id, const char *path, struct place *place),
				    void *ctx)
{
	struct cgroup *cgroup = NULL;
	int err = 0;

	while (!err && (cgroup = cgroup_table_next(table->members.cgroups, cgroup)))
		err = visit(ctx, cgroup->id, cgroup->path, &cgroup->place->place);
	return err;
}
