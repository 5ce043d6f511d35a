/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * place_owners.h - whose a cgroup is when its path does not tell. A container may be started under a path that somebody
 * chose: then only its runtime's files say so, which may be written a little later. So a group that may be one is asked for
 * again after growing waits, for a second. Then it stays open: no more is it asked for, but the files are looked at for
 * new ones, until it is told or removed.
 *
 * A container that files told has all that is below its group, also what was taken for somebody else's before.
 */
#ifndef PYPROF_PLACE_OWNERS_H
#define PYPROF_PLACE_OWNERS_H

#include <stdbool.h>

#include "container/place_members.h"
#include "container/retry.h"

struct place_owners {
	struct place_members *members; /* borrowed */
	struct retry_queue queue; /* cgroups that may be a container's under a path that somebody chose */
	u32 open_cnt; /* cgroups that are open */
	u64 states_from_ns; /* when files are looked at for them */
	u64 states_number; /* of the last state that was compared with them */
};

void place_owners_init(struct place_owners *owners, struct place_members *members);

/* Gives a new cgroup its place. is_new: its runtime may not have written its files yet, so the next turn asks. */
void place_owners_settle(struct place_owners *owners, struct cgroup *cgroup, bool is_new, u64 now_ns);
/* It was removed: the next turn asks once more, if it waits, and never again. */
void place_owners_end(struct place_owners *owners, struct cgroup *cgroup, u64 now_ns);
/* Before it is forgotten. */
void place_owners_forget(struct place_owners *owners, struct cgroup *cgroup);
/* When the next turn has something to ask; UINT64_MAX: nothing waits. */
u64 place_owners_due_ns(const struct place_owners *owners);
/* Asks what is due; whether the time until end_ns was enough for all. */
bool place_owners_turn(struct place_owners *owners, u64 now_ns, u64 end_ns);
/* Looks for new files at once. Those that they tell of are asked for by a hurry whose now_ns is later. */
void place_owners_look(struct place_owners *owners);
/* Asks for all that wait once, due or not, until end_ns: those first that were asked for the longest ago. */
void place_owners_hurry(struct place_owners *owners, u64 now_ns, u64 end_ns);

#endif
