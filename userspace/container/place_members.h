/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * place_members.h - which cgroups are of which place: what place.c and place_owners.c both work on. A cgroup that is known
 * is always of one place, the host's at least; a place is gone when the last of its cgroups that are there is.
 */
#ifndef PYPROF_PLACE_MEMBERS_H
#define PYPROF_PLACE_MEMBERS_H

#include "container/cgroup_path.h"
#include "container/cgroup_table.h"
#include "container/hierarchies.h"
#include "container/place_naming.h"
#include "container/place_store.h"

struct place_members {
	struct hierarchies hierarchies;
	struct place_naming naming;
	struct cgroup_table *cgroups;
	struct place_store places;
	struct place_entry *host;
	u64 moves; /* of cgroups from one place to another */
};

/* root: container_files_open(). Takes the hierarchies; deinit is the caller's, also on failure. */
int place_members_init(struct place_members *members, struct hierarchies *hierarchies, const char *root);
void place_members_deinit(struct place_members *members);

/* That a cgroup of this id is in. */
const struct hierarchy *place_members_hierarchy(const struct place_members *members, u64 id);
/* Whose groups are below a container's, or above one that may be: not those that a user's slice tells. */
u32 place_members_maker(const struct place_members *members, const struct cgroup *cgroup,
			const struct cgroup_path *read);
/*
 * The place of a group, by its path, and by the innermost container around it that files told, or NULL: there, whoever
 * is in it calls groups as he likes. Where there is one, sets read->outer_size.
 */
struct place_entry *place_members_place(struct place_members *members, const struct cgroup *cgroup,
					struct cgroup_path *read, struct place_entry *told, u64 now_ns);
/* A cgroup is of this place from now on; is of its place no more. */
void place_members_enter(struct place_members *members, struct cgroup *cgroup, struct place_entry *entry);
void place_members_leave(struct place_members *members, struct cgroup *cgroup, u64 now_ns);
/* None of the cgroups of a place is there any more. */
void place_members_end(struct place_members *members, struct place_entry *entry, u64 now_ns);

#endif
