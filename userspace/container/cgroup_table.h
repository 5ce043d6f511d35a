/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cgroup_table.h - the cgroups that are known, by the number that samples carry. Memory alone; who
 * fills it is place.c.
 *
 * One that was removed stays for a while, for its last samples come after the news of its end. An id that
 * nobody could tell anything of is kept too, for a shorter while, so that asking again costs nothing. The table is
 * bounded: what is kept for a while goes first, then there is no room.
 */
#ifndef PYPROF_CGROUP_TABLE_H
#define PYPROF_CGROUP_TABLE_H

#include <stddef.h>

#include "base/cleanup.h"
#include "container/retry.h"
#include "pyprof/types.h"

#define MAX_CGROUPS	    65536 /* that are there, and as many that are kept for a while */
#define CGROUP_REMOVED_NS   2000000000ull
#define CGROUP_UNKNOWN_NS   1000000000ull
#define MAX_UNKNOWN_CGROUPS 4096

enum cgroup_state {
	CGROUP_THERE,
	CGROUP_REMOVED,
	CGROUP_UNKNOWN, /* path is "" */
	CGROUP_STATE_CNT
};

struct place_entry;

struct cgroup {
	u64 id; /* with CGROUP_V1_BIT */
	const char *path; /* from the root of its hierarchy */
	enum cgroup_state state;
	u64 until_ns; /* of those that are not there: how long it is kept */
	u64 news_ns; /* when what the kernel told of it last happened; 0: it told nothing */
	struct place_entry *place; /* for place_members.c */
	bool is_open; /* for place_owners.c: nobody's so far, and files may still tell otherwise */
	struct retry retry; /* for place_owners.c: is it a container's, which the path alone does not tell */
};

struct cgroup_table;

int cgroup_table_new(struct cgroup_table **ret);
void cgroup_table_free(struct cgroup_table *table);
DEFINE_CLEANUP(cgroup_table, struct cgroup_table *, cgroup_table_free)

struct cgroup *cgroup_table_find(const struct cgroup_table *table, u64 id); /* in any state; or NULL */
/* The id is not in the table. Copies the path. -ENOSPC at the bound. */
int cgroup_table_add(struct cgroup_table *table, u64 id, const char *path, enum cgroup_state state, u64 now_ns,
		     struct cgroup **ret);
/* It is there no more. Keeps it for a while. */
void cgroup_table_retire(struct cgroup_table *table, struct cgroup *cgroup, u64 now_ns);
/* Frees it, in whatever state it is. */
void cgroup_table_forget(struct cgroup_table *table, struct cgroup *cgroup);
/* The one that was kept longest, if its time is over; or NULL. To be forgotten by the caller. */
struct cgroup *cgroup_table_expired(const struct cgroup_table *table, u64 now_ns);
/* When the next removed one's time is over; UINT64_MAX: never. */
u64 cgroup_table_due_ns(const struct cgroup_table *table);
size_t cgroup_table_cnt(const struct cgroup_table *table, enum cgroup_state state);
/* Those that are there, oldest first: NULL begins, and ends. The one given must not be forgotten in between. */
struct cgroup *cgroup_table_next(const struct cgroup_table *table, const struct cgroup *cgroup);

#endif
