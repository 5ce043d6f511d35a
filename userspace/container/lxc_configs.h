/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * lxc_configs.h - what LXC's configurations on the host say: which containers there are, and in which groups those
 * are that an administrator chose the group for (lxc.cgroup.dir.container; lxc.container.conf(5)).
 *
 *	/var/lib/lxc/NAME/config	LXC; or below lxc.lxcpath of /etc/lxc/lxc.conf
 *	/run/incus/NAME/lxc.conf	Incus, internal/server/instance/drivers/driver_lxc.go; older: /var/log/incus
 *	/var/log/lxd/NAME/lxc.conf	LXD; of its snap /var/snap/lxd/common/lxd/logs
 *
 * Not read: files that these include, groups that are relative to who started the container, lxc.cgroup.pattern, and what users have.
 */
#ifndef PYPROF_LXC_CONFIGS_H
#define PYPROF_LXC_CONFIGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

struct name_cache;
struct lxc_configs;

/* The descriptor and the cache stay the caller's. */
int lxc_configs_new(int root_fd, struct name_cache *cache, struct lxc_configs **ret);
void lxc_configs_free(struct lxc_configs *configs);
DEFINE_CLEANUP(lxc_configs, struct lxc_configs *, lxc_configs_free)

/* name: host_name_is_safe(). */
bool lxc_configs_has(const struct lxc_configs *configs, const char *name);
/*
 * The name of the container whose group a group is, or is in: the innermost. Borrowed until the next call. NULL: there is
 * none. ret_size: of the path up to and with the container's group. Looks for new configurations twice a second.
 */
const char *lxc_configs_find(struct lxc_configs *configs, const char *cgroup, size_t *ret_size);

#endif
