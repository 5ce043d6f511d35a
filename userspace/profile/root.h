/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * root.h - what stands at the root of stacks, as a view wants it (--per): which origins share one, and
 * what it is called. Two places of one name share their root, and so does a container that is called as the host is.
 */
#ifndef PYPROF_ROOT_H
#define PYPROF_ROOT_H

#include <stdbool.h>

#include "profile/profile.h"

/* What tells roots apart; 0 where the view does not ask. */
struct origin_root {
	u32 place; /* string id of a place's name; STRING_EMPTY is the host, too */
	u32 pid, tid;
	u32 comm, thread_comm;
};

void origin_root_of(const struct profile_tables *tables, const struct origin *origin, const struct view *view,
		    struct origin_root *ret);
u64 origin_root_hash(const struct origin_root *root);
bool origin_root_same(const struct origin_root *a, const struct origin_root *b);

/* "python3 (10)"; with threads "python3 (10), worker (12)". */
void origin_put_track(const struct profile *profile, const struct origin *origin, const struct view *view,
		      struct strbuf *b);
/* "web"; "python3 (10)"; "python3 (10), worker (12)"; "python3". */
void origin_put_root(const struct profile *profile, const struct origin *origin, const struct view *view,
		     struct strbuf *b);

/*
 * A profile whose origins are the tracks that a viewer has in a list: a process or thread, as far as the view tells
 * them apart, with the place it is in. For --per comm places are not told apart. Shares the tables of the other.
 */
int profile_by_track(const struct profile *profile, const struct view *view, struct profile **ret);

#endif
