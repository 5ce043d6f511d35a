/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * place.h - where processes run: in a container, in a unit of systemd, or on the host itself.
 * What a sample says of it is the ids of its cgroups; this is what they mean.
 *
 * All cgroups of one container are one place. It is known as soon as the path of
 * one of them is (that is when the kernel makes it, for it tells us), and named a little
 * later, when its runtime's files are there; it keeps both when its cgroup is gone.
 */
#ifndef PYPROF_PLACE_H
#define PYPROF_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "profile/label.h"
#include "pyprof/config.h"
#include "pyprof/record.h"

#define PLACE_HOST 0 /* key of what runs in no container and no unit */

struct place {
	u32 key; /* small, unique for the run */
	char *values[LABEL_PLACE_CNT]; /* by label; NULL: none, or not known yet */
	char *pod_uid; /* or NULL */
	char *cgroup; /* path of the group that is the container or unit, "/" for the host */
	bool is_container;
	bool named; /* nothing more is to be learnt */
	bool gone; /* all its cgroups are removed */
	u32 generation; /* grows when a value changes */

	/* For whoever names samples by it: its row in the profile's labels, of which tables, and what is written there. */
	u32 row, row_epoch, row_generation;
};

struct place_table;

int place_table_new(struct place_table **ret);
struct hierarchies;
/* The same of hierarchies and a root directory of the caller's. Takes the hierarchies, also on failure. */
int place_table_new_at(struct hierarchies *hierarchies, const char *root, struct place_table **ret);
void place_table_free(struct place_table *table);
DEFINE_CLEANUP(place_table, struct place_table *, place_table_free)

/* Which hierarchy of cgroups v1 tells containers apart on this machine, if any (config.h). */
enum cgroup_v1 place_table_v1(const struct place_table *table);
const struct hierarchies *place_table_hierarchies(const struct place_table *table);
/*
 * Every cgroup there is. After the kernel side tells of new ones, so that none is missed. -ENOSPC: there are more than
 * MAX_CGROUPS (cgroup_table.h); what runs in the rest is looked up when it is met.
 */
int place_table_walk(struct place_table *table);

/*
 * The same after news were lost, and what is there no more leaves: the table is as if it had heard of all. What is
 * new is asked for as long as if it had been told. For the caller to do when counters say so, not from within a
 * visit. With 300 groups 3 ms, with as many as there may be (65,536) some tenths of a second.
 */
int place_table_resync(struct place_table *table);

/*
 * What the kernel side tells. A group is made on one CPU and removed on another, whose rings are read one after the other:
 * the time in the record is what decides, and an end that comes first is remembered (CGROUP_REMOVED_NS). Gives the
 * place, NULL when the record is of another hierarchy or the group is gone already.
 */
int place_table_add(struct place_table *table, const struct cgroup_record *record, struct place **ret);
/* False: a later group of the same id is there. */
bool place_table_remove(struct place_table *table, const struct cgroup_record *record);
/*
 * Two look-ups. What was never heard of is read from the hierarchy, or /proc/pid/cgroup, once a second; what cannot be
 * read is the host's. A container is found in either hierarchy. Never NULL. Valid until the next place_table_turn().
 */
struct place *place_table_find(struct place_table *table, u64 cgroup_id, u64 cgroup_v1_id, u32 pid);
/* Whether the place of a cgroup is final. False for the first second of one whose path tells nothing: plain runc's may be it. */
bool place_table_is_settled(const struct place_table *table, u64 cgroup_id);
struct place *place_table_at(struct place_table *table, u32 key); /* NULL: it was forgotten */
/*
 * Looks for names that are still missing, for a few milliseconds; and forgets what is long gone, calling gone. Not
 * from within a visit below.
 */
void place_table_turn(struct place_table *table, u64 now_ns, void (*gone)(void *ctx, struct place *place), void *ctx);
/* When the next turn has something to do; UINT64_MAX: nothing waits. */
u64 place_table_due_ns(const struct place_table *table);
/*
 * Looks for names that are missing once more, now, for a few milliseconds: those first that were looked for the longest ago.
 * The latter takes two seconds, if so many are needed for all: for who has nothing else to do.
 */
void place_table_name(struct place_table *table);
void place_table_name_all(struct place_table *table);
/*
 * Grows when a value of any place changes, or cgroups turn out to be of another place than the one they were
 * given, or to be settled: then what was selected is to be asked again.
 */
u64 place_table_generation(const struct place_table *table);
int place_table_for_each(struct place_table *table, int (*visit)(void *ctx, struct place *place), void *ctx);
/* Calls visit for each cgroup of a place that is there. */
int place_table_for_each_cgroup(struct place_table *table, const struct place *place,
				int (*visit)(void *ctx, u64 cgroup_id), void *ctx);
/* For each that is there, whatever its place: that is how the kernel side selects (cgroup_select). path: in its hierarchy. */
int place_table_for_each_cgroup_all(struct place_table *table,
				    int (*visit)(void *ctx, u64 cgroup_id, const char *path, struct place *place),
				    void *ctx);

#endif
