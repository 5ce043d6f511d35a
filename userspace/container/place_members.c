/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/place_members.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "container/group_maker.h"
#include "container/place_identity.h"

int place_members_init(struct place_members *members, struct hierarchies *hierarchies, const char *root)
{
	*members = (struct place_members){.hierarchies = *hierarchies};
	int err = place_naming_init(&members->naming, root);
	if (!err)
		err = cgroup_table_new(&members->cgroups);
	if (!err)
		err = place_store_add(&members->places, "", "/", 1, false, &members->host);
	if (err)
		return err;
	members->host->place.named = true;
	return 0;
}

void place_members_deinit(struct place_members *members)
{
	place_store_deinit(&members->places);
	cgroup_table_free(members->cgroups);
	place_naming_deinit(&members->naming);
	hierarchies_close(&members->hierarchies);
}

const struct hierarchy *place_members_hierarchy(const struct place_members *members, u64 id)
{
	return id & CGROUP_V1_BIT ? &members->hierarchies.v1 : &members->hierarchies.v2;
}

/* The place that a path tells: of a container, or a unit. told: the one that it is in, or NULL. */
static int place_get(struct place_members *members, const char *path, const struct cgroup_path *read,
		     const struct place_entry *told, u32 maker, u64 now_ns, struct place_entry **ret)
{
	STRBUF(identity);
	struct place_entry *entry;

	place_identity_put(&identity, path, read, maker);
	if (told) /* its path is used again, under another id */
		strbuf_put(&identity, told->identity);
	if (identity.failed)
		return -ENOMEM;
	entry = place_store_find(&members->places, identity.at);
	if (entry) {
		*ret = entry;
		return 0;
	}
	int err = place_store_add(&members->places, identity.at, path, read->size, false, &entry);
	if (err)
		return err;
	if (maker != MAKER_ROOT)
		snprintf(entry->maker, sizeof(entry->maker), "%u", maker);
	err = place_naming_read_path(&members->naming, entry, read);
	if (err < 0) {
		place_store_forget(&members->places, entry);
		return err;
	}
	if (read->runtime)
		place_naming_start(&members->naming, entry, now_ns);
	*ret = entry;
	return 0;
}

void place_members_end(struct place_members *members, struct place_entry *entry, u64 now_ns)
{
	place_naming_end(&members->naming, entry, now_ns);
	place_store_leave(&members->places, entry, now_ns);
}

void place_members_enter(struct place_members *members, struct cgroup *cgroup, struct place_entry *entry)
{
	cgroup->place = entry;
	entry->cgroup_cnt++;
	if (cgroup->state != CGROUP_THERE)
		return;
	entry->there_cnt++;
	if (!entry->place.gone)
		return;
	place_store_return(&members->places, entry);
	if (entry->place.is_container) /* started again, perhaps under another name */
		place_naming_start(&members->naming, entry, clock_monotonic_ns());
}

void place_members_leave(struct place_members *members, struct cgroup *cgroup, u64 now_ns)
{
	struct place_entry *entry = cgroup->place;

	entry->cgroup_cnt--;
	if (cgroup->state == CGROUP_THERE && !--entry->there_cnt && entry != members->host)
		place_members_end(members, entry, now_ns);
}

u32 place_members_maker(const struct place_members *members, const struct cgroup *cgroup,
			const struct cgroup_path *read)
{
	const char *path = cgroup->path;
	size_t size = read->outer_size ?: (read->runtime ? read->size : strlen(path));
	size_t until = read->user.size ? (size_t)(read->user.at - path) : SIZE_MAX;

	return group_maker_find(place_members_hierarchy(members, cgroup->id), path, size, until);
}

struct place_entry *place_members_place(struct place_members *members, const struct cgroup *cgroup,
					struct cgroup_path *read, struct place_entry *told, u64 now_ns)
{
	struct place_entry *entry = members->host;
	u32 maker = MAKER_ROOT;

	if (told && !read->runtime)
		return told;
	if (!read->size)
		return entry;
	if (told)
		read->outer_size = strlen(told->place.cgroup);
	if (read->runtime)
		maker = place_members_maker(members, cgroup, read);
	(void)place_get(members, cgroup->path, read, told, maker, now_ns, &entry); /* memory is short: the host's */
	return entry;
}
