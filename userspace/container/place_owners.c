/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/place_owners.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "container/group_maker.h"
#include "container/runtime_states.h"

#define LIMIT_NS NS_PER_S
/*
 * What hooks between the cgroup and the runtime's file take (GPUs, networks) has no bound. After the first second not the
 * groups ask, but the files are looked at for news once a second: four calls of stat, however many groups there are. What is
 * new is compared with all of them: 10 ns each, so at most 64 at once.
 */
#define STATES_AGAIN_NS NS_PER_S
#define STATES_MAX	64

void place_owners_init(struct place_owners *owners, struct place_members *members)
{
	*owners = (struct place_owners){.members = members, .queue.limit_ns = LIMIT_NS};
}

/* Whether files may still tell that it is a container's. */
static void cgroup_set_open(struct place_owners *owners, struct cgroup *cgroup, bool is_open)
{
	owners->open_cnt += (u32)is_open - (u32)cgroup->is_open;
	cgroup->is_open = is_open;
}

/* Whether a path is that of a group or of one below it. */
static bool path_is_below(const char *path, const char *group)
{
	size_t size = strlen(group);

	return !strncmp(path, group, size) && (!path[size] || path[size] == '/');
}

static struct cgroup *cgroup_of_retry(struct retry *retry)
{
	return (struct cgroup *)((char *)retry - offsetof(struct cgroup, retry));
}

/*
 * A container became known by its files: what was taken for the host's or a unit's below its group is its own, and what
 * was taken for a container of the host's is one inside of it.
 */
static void cgroups_claim(struct place_owners *owners, struct place_entry *entry, u64 now_ns)
{
	struct cgroup *cgroup = NULL;

	while ((cgroup = cgroup_table_next(owners->members->cgroups, cgroup))) {
		struct cgroup_path read;

		if (cgroup->place == entry || cgroup->place->is_told ||
		    !path_is_below(cgroup->path, entry->place.cgroup))
			continue;
		cgroup_path_read(cgroup->path, &read);
		struct place_entry *place = place_members_place(owners->members, cgroup, &read, entry, now_ns);
		if (place == cgroup->place)
			continue;
		retry_stop(&owners->queue, &cgroup->retry);
		cgroup_set_open(owners, cgroup, false);
		place_members_leave(owners->members, cgroup, now_ns);
		place_members_enter(owners->members, cgroup, place);
		owners->members->moves++;
	}
}

/* Asks the runtimes' files whether a group whose path tells nothing is a container's. Whether there is an answer. */
static bool cgroup_ask(struct place_owners *owners, struct cgroup *cgroup, u64 now_ns)
{
	struct container_names names = {0};
	struct place_entry *entry;
	STRBUF(identity);
	size_t size;

	if (container_files_find_by_cgroup(owners->members->naming.files, cgroup->path, &names, &size))
		return false;
	strbuf_put(&identity, "//told/"); /* a path is used again, under another id */
	strbuf_put(&identity, names.values[LABEL_CONTAINER_ID] ? names.values[LABEL_CONTAINER_ID] : "");
	strbuf_put_size(&identity, cgroup->path, size);
	entry = identity.failed ? NULL : place_store_find(&owners->members->places, identity.at);
	if (!identity.failed && !entry &&
	    !place_store_add(&owners->members->places, identity.at, cgroup->path, size, true, &entry))
		place_naming_told(&owners->members->naming, entry, &names, now_ns);
	container_names_deinit(&names);
	if (!entry)
		return true;
	cgroups_claim(owners, entry, now_ns);
	/* Its end was news before its beginning could be. */
	if (cgroup->state == CGROUP_REMOVED && cgroup->place != entry) {
		place_members_leave(owners->members, cgroup, now_ns);
		place_members_enter(owners->members, cgroup, entry);
		owners->members->moves++;
		if (!entry->there_cnt && !entry->place.gone)
			place_members_end(owners->members, entry, now_ns);
	}
	return true;
}

/* Files of root's say so: what somebody else made is not in them. */
static bool cgroup_may_be_container(const struct place_owners *owners, const struct cgroup *cgroup,
				    const struct cgroup_path *read)
{
	return cgroup_path_may_be_container(cgroup->path, read) &&
	       place_members_maker(owners->members, cgroup, read) == MAKER_ROOT;
}

void place_owners_settle(struct place_owners *owners, struct cgroup *cgroup, bool is_new, u64 now_ns)
{
	struct place_entry *told = place_store_find_above(&owners->members->places, cgroup->path);
	struct cgroup_path read;

	cgroup_path_read(cgroup->path, &read);
	place_members_enter(owners->members, cgroup, place_members_place(owners->members, cgroup, &read, told, now_ns));
	/* What is around it may be a container's that is not known yet: that is looked at before it says much. */
	if (!told && read.runtime)
		owners->states_from_ns = now_ns;
	if (told || !cgroup_may_be_container(owners, cgroup, &read))
		return;
	if (!owners->open_cnt)
		owners->states_from_ns = now_ns + STATES_AGAIN_NS;
	cgroup_set_open(owners, cgroup, true);
	/* News waits for no files: there may be a flood of it. */
	if (is_new)
		retry_start_now(&owners->queue, &cgroup->retry, now_ns);
	else
		cgroup_ask(owners, cgroup, now_ns);
}

static void cgroup_retry(struct place_owners *owners, struct cgroup *cgroup, u64 now_ns)
{
	if (cgroup_ask(owners, cgroup, now_ns)) {
		retry_stop(&owners->queue, &cgroup->retry);
	} else if (cgroup->state != CGROUP_THERE || !retry_again(&owners->queue, &cgroup->retry, now_ns)) {
		retry_stop(&owners->queue, &cgroup->retry);
		owners->members->moves++; /* it is nobody's, which is news too */
	}
}

struct states_visit {
	struct place_owners *owners;
	u64 now_ns;
};

/* A state that was not there when the groups were asked about. */
static void state_visit(void *ctx, const char *path)
{
	const struct states_visit *visit = ctx;
	struct cgroup *cgroup = NULL;

	while ((cgroup = cgroup_table_next(visit->owners->members->cgroups, cgroup)))
		if (cgroup->is_open && path_is_below(cgroup->path, path))
			retry_start_now(&visit->owners->queue, &cgroup->retry, visit->now_ns);
}

/* Asks again for those groups that new files tell of. */
static void states_look(struct place_owners *owners, u64 now_ns)
{
	struct runtime_states *states = container_files_states(owners->members->naming.files);
	struct states_visit visit = {owners, now_ns};

	u64 last = runtime_states_look(states);
	owners->states_number = runtime_states_for_each_new(states, owners->states_number, STATES_MAX, state_visit,
							    &visit);
	owners->states_from_ns = now_ns + (owners->states_number == last ? STATES_AGAIN_NS : 0);
}

void place_owners_end(struct place_owners *owners, struct cgroup *cgroup, u64 now_ns)
{
	if (cgroup->retry.waits)
		retry_start_now(&owners->queue, &cgroup->retry, now_ns);
	cgroup_set_open(owners, cgroup, false);
}

void place_owners_forget(struct place_owners *owners, struct cgroup *cgroup)
{
	owners->members->moves += cgroup->retry.waits; /* nobody will tell any more whose it was */
	retry_stop(&owners->queue, &cgroup->retry);
	cgroup_set_open(owners, cgroup, false);
}

u64 place_owners_due_ns(const struct place_owners *owners)
{
	u64 retry_ns = retry_due_ns(&owners->queue);
	u64 states_ns = owners->open_cnt ? owners->states_from_ns : UINT64_MAX;

	return states_ns < retry_ns ? states_ns : retry_ns;
}

bool place_owners_turn(struct place_owners *owners, u64 now_ns, u64 end_ns)
{
	bool was_enough = true;
	struct retry *retry;

	if (owners->open_cnt && now_ns >= owners->states_from_ns) {
		states_look(owners, now_ns);
		was_enough = clock_monotonic_ns() <= end_ns;
	}
	while (was_enough && (retry = retry_due(&owners->queue, now_ns))) {
		cgroup_retry(owners, cgroup_of_retry(retry), now_ns);
		was_enough = clock_monotonic_ns() <= end_ns;
	}
	return was_enough;
}

void place_owners_look(struct place_owners *owners)
{
	if (owners->open_cnt)
		states_look(owners, clock_monotonic_ns());
}

void place_owners_hurry(struct place_owners *owners, u64 now_ns, u64 end_ns)
{
	struct retry *retry;

	while (clock_monotonic_ns() < end_ns && (retry = retry_oldest(&owners->queue, now_ns)))
		cgroup_retry(owners, cgroup_of_retry(retry), now_ns);
}
