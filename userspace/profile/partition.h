/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * partition.h - one profile cut into one for each container (or unit, or the host): what is
 * exported apart, and what `-o '{container}.svg'` writes apart. The parts share the whole's tables.
 */
#ifndef PYPROF_PARTITION_H
#define PYPROF_PARTITION_H

#include "profile/profile.h"

/*
 * What people call the place of an origin: the first there is of container_name, k8s_container, k8s_pod, container_id,
 * systemd_unit; "host" where there is none. Borrowed from the tables.
 */
const char *origin_place_name(const struct profile_tables *tables, const struct origin *origin);

/*
 * Calls each with the part of each label_set that has samples, in the order of ids, until it returns other than 0, and
 * returns that. `part` and what it holds live for the call.
 */
int profile_for_each_place(const struct profile *profile,
			   int (*each)(void *ctx, u32 labels, const struct profile *part), void *ctx);

#endif
