/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * partition.h - one profile cut into one for each container (or unit, or the host): what is
 * exported apart, and what `-o '{container}.svg'` writes apart. The parts share the whole's tables.
 */
#ifndef PYPROF_PARTITION_H
#define PYPROF_PARTITION_H

#include "profile/profile.h"

#define PLACE_NAME_HOST "host" /* what runs in no container and no unit */

/*
 * What people call a place: the first there is of container_name, k8s_container, k8s_pod, container_id,
 * systemd_unit. A string id; STRING_EMPTY: it has none of them.
 */
u32 label_set_name(const struct label_set *set);
/* Of an origin; "host" where there is none. Borrowed from the tables. */
const char *origin_place_name(const struct profile_tables *tables, const struct origin *origin);

/*
 * Calls each with the part of each label_set that has samples, in the order of ids, until it returns other than 0, and
 * returns that. Sets that say the same are one, by the least of their ids. `part` and what it holds live for the call.
 */
int profile_for_each_place(const struct profile *profile,
			   int (*each)(void *ctx, u32 labels, const struct profile *part), void *ctx);

/*
 * What is true of a part: its own samples, and how many of them are incomplete. What was lost
 * cannot be told by place: that is the whole run's, and truth.whole_samples says so. What it cost is left out.
 */
void truth_of_part(const struct truth *whole, const struct profile *part, struct truth *ret);

#endif
