/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * lxc_names.c - which container of LXC a group is of. When the group lxc.payload.NAME is there already, since the container
 * was restarted while something was left in it, or a container below another lxcpath has that name, LXC takes lxc.payload.NAME-1, and so on
 * to -999 (src/lxc/cgroups/cgfsng.c, cgfsng_payload_create()). A container may as well be called so.
 */
#include <errno.h>
#include <string.h>

#include "container/lxc_configs.h"
#include "container/name_source.h"

#define DIGITS_MAX 3

/* Without LXC's number. */
static bool number_cut(char *name)
{
	char *dash = strrchr(name, '-');

	if (!dash || dash == name)
		return false;
	size_t cnt = strspn(dash + 1, "0123456789");
	if (!cnt || cnt > DIGITS_MAX || dash[1 + cnt] || dash[1] == '0')
		return false;
	*dash = 0;
	return true;
}

int lxc_names(const struct name_query *query, struct container_names *names)
{
	char name[NAME_MAX + 1];

	if (query->owner != HOST_ANYBODY)
		return -ENOENT;
	memcpy(name, query->id, sizeof(name));
	if (!lxc_configs_has(query->lxc, name) && (!number_cut(name) || !lxc_configs_has(query->lxc, name)))
		return -ENOENT;
	int err = container_names_set(names, LABEL_CONTAINER_NAME, name);
	if (!err)
		err = container_names_set(names, LABEL_CONTAINER_ID, name);
	return err ? err : container_names_set(names, LABEL_RUNTIME, "lxc");
}

int lxc_names_by_cgroup(const struct name_query *query, struct container_names *names, size_t *ret_size)
{
	size_t size;
	const char *name = lxc_configs_find(query->lxc, query->cgroup, &size);

	if (!name)
		return -ENOENT;
	int err = container_names_set(names, LABEL_CONTAINER_ID, name);
	if (!err)
		err = container_names_set(names, LABEL_RUNTIME, "lxc");
	if (!err)
		*ret_size = size;
	return err;
}
