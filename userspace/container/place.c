/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/place.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "container/cgroup_path.h"
#include "container/cgroup_table.h"
#include "container/group_maker.h"
#include "container/hierarchies.h"
#include "container/place_identity.h"
#include "container/place_naming.h"
#include "container/place_store.h"
#include "container/retry.h"
#include "container/runtime_states.h"

#define TURN_NS	       (5 * NS_PER_MS)
#define REST_TIMES     9 /* what a turn took that was not enough: at most a tenth of a CPU */
#define NAME_NS	       (20 * NS_PER_MS) /* of place_table_name() */
#define NAME_ALL_NS    (2 * NS_PER_S)
#define OWNER_LIMIT_NS NS_PER_S
#define CHECK_AGAIN_NS (10 * NS_PER_S)
/*
 * What hooks between the cgroup and the runtime's file take (GPUs, networks) has no bound. After the first second not the
 * groups ask, but the files are looked at for news once a second: four calls of stat, however many groups there are. What is
 * new is compared with all of them: 10 ns each, so at most 64 at once.
 */
#define STATES_AGAIN_NS NS_PER_S
#define STATES_MAX	64

struct place_table {
	struct hierarchies hierarchies;
	struct place_naming naming;
	struct cgroup_table *cgroups;
	struct place_store places;
	struct place_entry *host;
	struct retry_queue owners; /* cgroups that may be a container's under a path that somebody chose */
	u32 open_cnt; /* cgroups that are open */
	u64 states_from_ns; /* when files are looked at for them */
	u64 states_number; /* of the last state that was compared with them */
	u64 moves; /* of cgroups from one place to another */
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
	table->hierarchies = *hierarchies;
	table->owners.limit_ns = OWNER_LIMIT_NS;
	int err = place_naming_init(&table->naming, root);
	if (!err)
		err = cgroup_table_new(&table->cgroups);
	if (!err)
		err = place_store_add(&table->places, "", "/", 1, false, &table->host);
	if (err)
		return err;
	table->host->place.named = true;
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
	place_store_deinit(&table->places);
	cgroup_table_free(table->cgroups);
	place_naming_deinit(&table->naming);
	hierarchies_close(&table->hierarchies);
	free(table);
}

enum cgroup_v1 place_table_v1(const struct place_table *table)
{
	return table->hierarchies.v1_kind;
}

const struct hierarchies *place_table_hierarchies(const struct place_table *table)
{
	return &table->hierarchies;
}

u64 place_table_generation(const struct place_table *table)
{
	return table->naming.changes + table->moves;
}

static const struct hierarchy *hierarchy_of(const struct place_table *table, u64 id)
{
	return id & CGROUP_V1_BIT ? &table->hierarchies.v1 : &table->hierarchies.v2;
}

/* The place that a path tells: of a container, or a unit. told: the one that it is in, or NULL. */
static int place_get(struct place_table *table, const char *path, const struct cgroup_path *read,
		     const struct place_entry *told, u32 maker, u64 now_ns, struct place_entry **ret)
{
	STRBUF(identity);
	struct place_entry *entry;

	place_identity_put(&identity, path, read, maker);
	if (told) /* its path is used again, under another id */
		strbuf_put(&identity, told->identity);
	if (identity.failed)
		return -ENOMEM;
	entry = place_store_find(&table->places, identity.at);
	if (entry) {
		*ret = entry;
		return 0;
	}
	int err = place_store_add(&table->places, identity.at, path, read->size, false, &entry);
	if (err)
		return err;
	if (maker != MAKER_ROOT)
		snprintf(entry->maker, sizeof(entry->maker), "%u", maker);
	err = place_naming_read_path(&table->naming, entry, read);
	if (err < 0) {
		place_store_forget(&table->places, entry);
		return err;
	}
	if (read->runtime)
		place_naming_start(&table->naming, entry, now_ns);
	*ret = entry;
	return 0;
}

static void place_leave(struct place_table *table, struct place_entry *entry, u64 now_ns)
{
	place_naming_end(&table->naming, entry, now_ns);
	place_store_leave(&table->places, entry, now_ns);
}

/* A cgroup is of this place from now on. */
static void cgroup_enter(struct place_table *table, struct cgroup *cgroup, struct place_entry *entry)
{
	cgroup->place = entry;
	entry->cgroup_cnt++;
	if (cgroup->state != CGROUP_THERE)
		return;
	entry->there_cnt++;
	if (!entry->place.gone)
		return;
	place_store_return(&table->places, entry);
	if (entry->place.is_container) /* started again, perhaps under another name */
		place_naming_start(&table->naming, entry, clock_monotonic_ns());
}

static void cgroup_leave(struct place_table *table, struct cgroup *cgroup, u64 now_ns)
{
	struct place_entry *entry = cgroup->place;

	entry->cgroup_cnt--;
	if (cgroup->state == CGROUP_THERE && !--entry->there_cnt && entry != table->host)
		place_leave(table, entry, now_ns);
}

/* Whether files may still tell that it is a container's. */
static void cgroup_set_open(struct place_table *table, struct cgroup *cgroup, bool is_open)
{
	table->open_cnt += (u32)is_open - (u32)cgroup->is_open;
	cgroup->is_open = is_open;
}

/* Whether a path is that of a group or of one below it. */
static bool path_is_below(const char *path, const char *group)
{
	size_t size = strlen(group);

	return !strncmp(path, group, size) && (!path[size] || path[size] == '/');
}

/* Whose groups are below a container's, or above one that may be: not those that a user's slice tells. */
static u32 cgroup_maker(const struct place_table *table, const struct cgroup *cgroup, const struct cgroup_path *read)
{
	const char *path = cgroup->path;
	size_t size = read->outer_size ?: (read->runtime ? read->size : strlen(path));
	size_t until = read->user.size ? (size_t)(read->user.at - path) : SIZE_MAX;

	return group_maker_find(hierarchy_of(table, cgroup->id), path, size, until);
}

/*
 * The place of a group, by its path, and by the innermost container around it that files told, or NULL: there, whoever
 * is in it calls groups as he likes.
 */
static struct place_entry *cgroup_place(struct place_table *table, const struct cgroup *cgroup,
					struct cgroup_path *read, struct place_entry *told, u64 now_ns)
{
	struct place_entry *entry = table->host;
	u32 maker = MAKER_ROOT;

	if (told && !read->runtime)
		return told;
	if (!read->size)
		return entry;
	if (told)
		read->outer_size = strlen(told->place.cgroup);
	if (read->runtime)
		maker = cgroup_maker(table, cgroup, read);
	(void)place_get(table, cgroup->path, read, told, maker, now_ns, &entry); /* memory is short: the host's */
	return entry;
}

/*
 * A container became known by its files: what was taken for the host's or a unit's below its group is its own, and what
 * was taken for a container of the host's is one inside of it.
 */
static void cgroups_claim(struct place_table *table, struct place_entry *entry, u64 now_ns)
{
	struct cgroup *cgroup = NULL;

	while ((cgroup = cgroup_table_next(table->cgroups, cgroup))) {
		struct cgroup_path read;

		if (cgroup->place == entry || cgroup->place->is_told ||
		    !path_is_below(cgroup->path, entry->place.cgroup))
			continue;
		cgroup_path_read(cgroup->path, &read);
		struct place_entry *place = cgroup_place(table, cgroup, &read, entry, now_ns);
		if (place == cgroup->place)
			continue;
		retry_stop(&table->owners, &cgroup->retry);
		cgroup_set_open(table, cgroup, false);
		cgroup_leave(table, cgroup, now_ns);
		cgroup_enter(table, cgroup, place);
		table->moves++;
	}
}

/* Asks the runtimes' files whether a group whose path tells nothing is a container's. Whether there is an answer. */
static bool cgroup_ask(struct place_table *table, struct cgroup *cgroup, u64 now_ns)
{
	struct container_names names = {0};
	struct place_entry *entry;
	STRBUF(identity);
	size_t size;

	if (container_files_find_by_cgroup(table->naming.files, cgroup->path, &names, &size))
		return false;
	strbuf_put(&identity, "//told/"); /* a path is used again, under another id */
	strbuf_put(&identity, names.values[LABEL_CONTAINER_ID] ? names.values[LABEL_CONTAINER_ID] : "");
	strbuf_put_size(&identity, cgroup->path, size);
	entry = identity.failed ? NULL : place_store_find(&table->places, identity.at);
	if (!identity.failed && !entry &&
	    !place_store_add(&table->places, identity.at, cgroup->path, size, true, &entry))
		place_naming_told(&table->naming, entry, &names, now_ns);
	container_names_deinit(&names);
	if (!entry)
		return true;
	cgroups_claim(table, entry, now_ns);
	/* Its end was news before its beginning could be. */
	if (cgroup->state == CGROUP_REMOVED && cgroup->place != entry) {
		cgroup_leave(table, cgroup, now_ns);
		cgroup_enter(table, cgroup, entry);
		table->moves++;
		if (!entry->there_cnt && !entry->place.gone)
			place_leave(table, entry, now_ns);
	}
	return true;
}

/* Files of root's say so: what somebody else made is not in them. */
static bool cgroup_may_be_container(const struct place_table *table, const struct cgroup *cgroup,
				    const struct cgroup_path *read)
{
	return cgroup_path_may_be_container(cgroup->path, read) && cgroup_maker(table, cgroup, read) == MAKER_ROOT;
}

/* What place a new cgroup is of. is_new: its runtime may not have written its files yet. */
static void cgroup_settle(struct place_table *table, struct cgroup *cgroup, bool is_new, u64 now_ns)
{
	struct place_entry *told = place_store_find_above(&table->places, cgroup->path);
	struct cgroup_path read;

	cgroup_path_read(cgroup->path, &read);
	cgroup_enter(table, cgroup, cgroup_place(table, cgroup, &read, told, now_ns));
	/* What is around it may be a container's that is not known yet: that is looked at before it says much. */
	if (!told && read.runtime)
		table->states_from_ns = now_ns;
	if (told || !cgroup_may_be_container(table, cgroup, &read))
		return;
	if (!table->open_cnt)
		table->states_from_ns = now_ns + STATES_AGAIN_NS;
	cgroup_set_open(table, cgroup, true);
	/* News waits for no files: there may be a flood of it. */
	if (is_new)
		retry_start_now(&table->owners, &cgroup->retry, now_ns);
	else
		cgroup_ask(table, cgroup, now_ns);
}

static void cgroup_forget(struct place_table *table, struct cgroup *cgroup, u64 now_ns)
{
	table->moves += cgroup->retry.waits; /* nobody will tell any more whose it was */
	retry_stop(&table->owners, &cgroup->retry);
	cgroup_set_open(table, cgroup, false);
	cgroup_leave(table, cgroup, now_ns);
	cgroup_table_forget(table->cgroups, cgroup);
}

static void cgroups_sweep(struct place_table *table, u64 now_ns)
{
	struct cgroup *cgroup;

	while ((cgroup = cgroup_table_expired(table->cgroups, now_ns)))
		cgroup_forget(table, cgroup, now_ns);
}

static void cgroup_remove(struct place_table *table, struct cgroup *cgroup, u64 now_ns)
{
	/* The next turn asks once more (cgroup_retry). */
	if (cgroup->retry.waits)
		retry_start_now(&table->owners, &cgroup->retry, now_ns);
	cgroup_set_open(table, cgroup, false);
	cgroups_sweep(table, now_ns);
	cgroup_table_retire(table->cgroups, cgroup, now_ns);
	struct place_entry *entry = cgroup->place;
	if (!--entry->there_cnt && entry != table->host)
		place_leave(table, entry, now_ns);
}

/* Those that were removed without news of it. Whether there were any. */
static bool cgroups_check(struct place_table *table, u64 now_ns)
{
	struct cgroup *cgroup = cgroup_table_next(table->cgroups, NULL), *next;
	bool found = false, is_there;

	table->check_from_ns = now_ns + CHECK_AGAIN_NS;
	for (; cgroup; cgroup = next) {
		next = cgroup_table_next(table->cgroups, cgroup);
		if (hierarchy_has(hierarchy_of(table, cgroup->id), cgroup->id & ~CGROUP_V1_BIT, cgroup->path,
				  &is_there) ||
		    is_there)
			continue;
		cgroup_remove(table, cgroup, now_ns);
		cgroup->news_ns = now_ns; /* what is told of its beginning from now on is older */
		found = true;
	}
	table->moves += found;
	return found;
}

/* It is there, under this path. */
static int cgroup_add(struct place_table *table, u64 id, const char *path, bool is_new, struct cgroup **ret)
{
	struct cgroup *cgroup = cgroup_table_find(table->cgroups, id);
	u64 now_ns = clock_monotonic_ns();

	if (cgroup && cgroup->state == CGROUP_THERE && !strcmp(cgroup->path, path)) {
		*ret = cgroup;
		return 0;
	}
	if (cgroup)
		cgroup_forget(table, cgroup, now_ns);
	int err = cgroup_table_add(table->cgroups, id, path, CGROUP_THERE, now_ns, &cgroup);
	if (err == -ENOSPC && now_ns >= table->check_from_ns && cgroups_check(table, now_ns))
		err = cgroup_table_add(table->cgroups, id, path, CGROUP_THERE, now_ns, &cgroup);
	if (err)
		return err;
	cgroup_settle(table, cgroup, is_new, now_ns);
	*ret = cgroup;
	return 0;
}

struct place_walk {
	struct place_table *table;
	u64 bit;
	bool is_new; /* cgroup_settle() */
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

	int err = hierarchy_walk(&table->hierarchies.v1, walk_visit, &v1);
	return err && err != -ENOSPC ? err : hierarchy_walk(&table->hierarchies.v2, walk_visit, &v2) ?: err;
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

	if ((is_v1 && !table->hierarchies.v1_kind) || record->path[0] != '/') {
		*ret = NULL;
		return 0;
	}
	cgroup = cgroup_table_find(table->cgroups, record->cgroup_id);
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
	if (cgroup_table_add(table->cgroups, record->cgroup_id, path, CGROUP_REMOVED, now_ns, &cgroup))
		return;
	cgroup->news_ns = record->record.time_ns;
	if (path[0] == '/')
		cgroup_settle(table, cgroup, true, now_ns);
	else
		cgroup_enter(table, cgroup, table->host);
	struct place_entry *entry = cgroup->place;
	if (!entry->there_cnt && !entry->place.gone && entry != table->host)
		place_leave(table, entry, now_ns);
}

bool place_table_remove(struct place_table *table, const struct cgroup_record *record)
{
	struct cgroup *cgroup = cgroup_table_find(table->cgroups, record->cgroup_id);
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
		cgroup_table_retire(table->cgroups, cgroup, now_ns);
	cgroup->news_ns = record->record.time_ns;
	return true;
}

/* Reads what the id is the first time that it is met; what cannot be read is remembered for a second. */
static struct place_entry *cgroup_read(struct place_table *table, u64 id, u32 pid, u64 now_ns)
{
	const struct hierarchy *hierarchy = hierarchy_of(table, id);
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
	if (!cgroup_table_add(table->cgroups, id, "", CGROUP_UNKNOWN, now_ns, &cgroup))
		cgroup_enter(table, cgroup, table->host);
	return table->host;
}

static struct place_entry *place_of_id(struct place_table *table, u64 id, u32 pid)
{
	struct cgroup *cgroup = id ? cgroup_table_find(table->cgroups, id) : NULL;
	u64 now_ns;

	if (!id || (cgroup && cgroup->state != CGROUP_UNKNOWN))
		return id ? cgroup->place : table->host;
	now_ns = clock_monotonic_ns();
	if (cgroup && cgroup->until_ns > now_ns)
		return cgroup->place;
	if (cgroup)
		cgroup_forget(table, cgroup, now_ns);
	return cgroup_read(table, id, pid, now_ns);
}

static int place_rank(const struct place_table *table, const struct place_entry *entry)
{
	return entry->place.is_container ? 2 : entry != table->host;
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
	const struct cgroup *cgroup = cgroup_table_find(table->cgroups, cgroup_id);

	return !cgroup || !cgroup->retry.waits;
}

struct place *place_table_at(struct place_table *table, u32 key)
{
	struct place_entry *entry = place_store_at(&table->places, key);

	return entry ? &entry->place : NULL;
}

static struct cgroup *cgroup_of_retry(struct retry *retry)
{
	return (struct cgroup *)((char *)retry - offsetof(struct cgroup, retry));
}

static void cgroup_retry(struct place_table *table, struct cgroup *cgroup, u64 now_ns)
{
	if (cgroup_ask(table, cgroup, now_ns)) {
		retry_stop(&table->owners, &cgroup->retry);
	} else if (cgroup->state != CGROUP_THERE || !retry_again(&table->owners, &cgroup->retry, now_ns)) {
		retry_stop(&table->owners, &cgroup->retry);
		table->moves++; /* it is nobody's, which is news too */
	}
}

struct states_visit {
	struct place_table *table;
	u64 now_ns;
};

/* A state that was not there when the groups were asked about. */
static void state_visit(void *ctx, const char *path)
{
	const struct states_visit *visit = ctx;
	struct cgroup *cgroup = NULL;

	while ((cgroup = cgroup_table_next(visit->table->cgroups, cgroup)))
		if (cgroup->is_open && path_is_below(cgroup->path, path))
			retry_start_now(&visit->table->owners, &cgroup->retry, visit->now_ns);
}

/* Asks again for those groups that new files tell of. */
static void states_look(struct place_table *table, u64 now_ns)
{
	struct runtime_states *states = container_files_states(table->naming.files);
	struct states_visit visit = {table, now_ns};

	u64 last = runtime_states_look(states);
	table->states_number = runtime_states_for_each_new(states, table->states_number, STATES_MAX, state_visit,
							   &visit);
	table->states_from_ns = now_ns + (table->states_number == last ? STATES_AGAIN_NS : 0);
}

/* What is due, half of the time for each kind. How long it took if that was not enough; else 0. */
static u64 names_turn(struct place_table *table, u64 now_ns)
{
	u64 start_ns = clock_monotonic_ns(), end_ns = start_ns + TURN_NS / 2;
	bool was_enough = true;
	struct retry *retry;

	if (table->open_cnt && now_ns >= table->states_from_ns) {
		states_look(table, now_ns);
		was_enough = clock_monotonic_ns() <= end_ns;
	}
	while (was_enough && (retry = retry_due(&table->owners, now_ns))) {
		cgroup_retry(table, cgroup_of_retry(retry), now_ns);
		was_enough = clock_monotonic_ns() <= end_ns;
	}
	end_ns = clock_monotonic_ns() + TURN_NS / 2;
	was_enough &= place_naming_turn(&table->naming, now_ns, end_ns);
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
	while ((entry = place_store_expired(&table->places, now_ns))) {
		if (gone)
			gone(ctx, &entry->place);
		place_naming_forget(&table->naming, entry);
		place_store_forget(&table->places, entry);
	}
}

static u64 min_ns(u64 a, u64 b)
{
	return a < b ? a : b;
}

u64 place_table_due_ns(const struct place_table *table)
{
	u64 names_ns = min_ns(place_naming_due_ns(&table->naming), retry_due_ns(&table->owners));
	u64 states_ns = table->open_cnt ? table->states_from_ns : UINT64_MAX;
	u64 gone_ns = table->places.gone ? table->places.gone->forget_ns : UINT64_MAX;

	names_ns = min_ns(names_ns, states_ns);
	if (names_ns < table->rest_until_ns)
		names_ns = table->rest_until_ns;
	return min_ns(names_ns, min_ns(gone_ns, cgroup_table_due_ns(table->cgroups)));
}

static void names_hurry(struct place_table *table, u64 budget_ns)
{
	struct retry *retry;

	if (table->open_cnt)
		states_look(table, clock_monotonic_ns());
	u64 now_ns = clock_monotonic_ns();
	while (clock_monotonic_ns() < now_ns + budget_ns / 2 && (retry = retry_oldest(&table->owners, now_ns)))
		cgroup_retry(table, cgroup_of_retry(retry), now_ns);
	place_naming_hurry(&table->naming, now_ns, clock_monotonic_ns() + budget_ns / 2);
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

	HASH_ITER(hh, table->places.by_key, entry, next)
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

	while (!err && (cgroup = cgroup_table_next(table->cgroups, cgroup)))
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

	while (!err && (cgroup = cgroup_table_next(table->cgroups, cgroup)))
		err = visit(ctx, cgroup->id, cgroup->path, &cgroup->place->place);
	return err;
}
