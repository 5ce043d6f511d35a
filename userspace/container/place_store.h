/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * place_store.h - the places there are, by key, by what makes them one (place_identity.h), and by the path
 * of the group that only a runtime's files told to be a container's. Memory alone; for place_members.h.
 *
 * A place whose cgroups are all gone is kept for a minute, for windows that are still to be written.
 */
#ifndef PYPROF_PLACE_STORE_H
#define PYPROF_PLACE_STORE_H

#define HASH_NONFATAL_OOM	   1
#define uthash_nonfatal_oom(entry) ((entry)->failed = true)
#include <uthash.h>

#include "container/place.h"
#include "container/retry.h"

#define PLACE_GONE_NS	(60 * 1000000000ull)
#define MAX_GONE_PLACES 16384

struct place_entry {
	struct place place; /* first, see place_entry_of */
	struct place_entry *prev, *next; /* in `gone` */
	struct retry retry; /* for names; when it is named, for other ones */
	u64 forget_ns;
	u32 cgroup_cnt; /* that say they are of this place, removed ones included */
	u32 there_cnt; /* of them, those that are there */
	char maker[11]; /* uid of who made the group, if not root (group_maker.h), as cgroup_path's user; "" */
	bool is_told; /* by files alone: in by_path, while it is not gone */
	bool is_ended; /* for names: one more look, and no other */
	size_t outer_size; /* of `cgroup`, up to the container that it is in: the host has no files of it but its pod's; 0: none */
	bool failed; /* not in a hash, for want of memory */
	UT_hash_handle hh, hh_identity, hh_path;
	char identity[];
};

struct place_store {
	struct place_entry *by_key, *by_identity, *by_path;
	struct place_entry *gone; /* longest gone first */
	u32 gone_cnt;
	u32 last_key;
};

static inline struct place_entry *place_entry_of(const struct place *place)
{
	return (struct place_entry *)place;
}

void place_store_deinit(struct place_store *store);
struct place_entry *place_store_at(const struct place_store *store, u32 key);
struct place_entry *place_store_find(const struct place_store *store, const char *identity);
/* cgroup: path of size bytes, copied. is_told: found by that path from now on. */
int place_store_add(struct place_store *store, const char *identity, const char *cgroup, size_t size, bool is_told,
		    struct place_entry **ret);
/* The innermost of those that files told, and that are not gone, whose group is the path's, or above it. */
struct place_entry *place_store_find_above(const struct place_store *store, const char *path);
/* Its cgroups are all gone; one is there again. */
void place_store_leave(struct place_store *store, struct place_entry *entry, u64 now_ns);
void place_store_return(struct place_store *store, struct place_entry *entry);
/* The longest gone, if its time is over or there are too many; or NULL. */
struct place_entry *place_store_expired(const struct place_store *store, u64 now_ns);
void place_store_forget(struct place_store *store, struct place_entry *entry);
/* Whether it is another value than there was. NULL text: none. Size SIZE_MAX: a C string. -ENOMEM. */
int place_entry_set(struct place_entry *entry, enum label label, const char *text, size_t size);

#endif
