/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * place_naming.h - how places come to their names: from their path at once, and from the files of their runtime,
 * which may be written a little later. Looks for those at the first turn after the place was seen, for one that
 * lives shortly may have no other chance, and again after growing waits, for ten seconds or until it is gone. A name
 * may be given to another container later (docker rename): those that have theirs from files are asked for again
 * about every thirty seconds, some at a time.
 *
 * What a path says of a container is somebody's choice where he may make groups: in a container, below the slice of
 * a user, in what was given to him. There the name and the id begin with his: OUTER/INNER, user-UID/NAME. Only files
 * that are his make them to plain ones.
 *
 * News of a container never waits for its files: all looks are in turns, which have an end.
 */
#ifndef PYPROF_PLACE_NAMING_H
#define PYPROF_PLACE_NAMING_H

#include "container/cgroup_path.h"
#include "container/container_files.h"
#include "container/place_store.h"
#include "container/retry.h"

struct place_naming {
	struct container_files *files;
	struct retry_queue queue; /* those that have no names yet */
	struct retry_queue renewals; /* of those that have */
	u64 renew_from_ns;
	u64 changes; /* of values, and places that came to be `named` */
};

/* root: container_files_open(). */
int place_naming_init(struct place_naming *naming, const char *root);
void place_naming_deinit(struct place_naming *naming);

/* A new place: what its path tells. -ENOMEM. */
int place_naming_read_path(struct place_naming *naming, struct place_entry *entry, const struct cgroup_path *path);
/* A container, new or again there: the next turn looks for its files. */
void place_naming_start(struct place_naming *naming, struct place_entry *entry, u64 now_ns);
/* The same, of one that was found by its files. */
void place_naming_told(struct place_naming *naming, struct place_entry *entry, const struct container_names *names,
		       u64 now_ns);
/* It is gone: the next turn looks once more, for files often stay a little longer, and never again. */
void place_naming_end(struct place_naming *naming, struct place_entry *entry, u64 now_ns);
/* Before it is forgotten. */
void place_naming_forget(struct place_naming *naming, struct place_entry *entry);
/* When the next turn has something to look for; UINT64_MAX: nothing waits. */
u64 place_naming_due_ns(const struct place_naming *naming);
/* Looks for what is due; whether the time until end_ns was enough for all. */
bool place_naming_turn(struct place_naming *naming, u64 now_ns, u64 end_ns);
/* Looks for all that have no names yet once, due or not, until end_ns: those first that were looked for the longest ago. */
void place_naming_hurry(struct place_naming *naming, u64 now_ns, u64 end_ns);

#endif
