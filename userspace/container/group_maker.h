/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * group_maker.h - who decided what a group is called. Root may have given a part of a hierarchy away (systemd's
 * Delegate= with User=, chown): whoever it belongs to makes groups in it, and may name one like a container of
 * somebody else's.
 *
 * What tells is who owns the directories *above* the group. Its own owner says nothing: with a user namespace
 * runtimes of root's (runc, podman --userns, LXC, nspawn -U) give just the container's own group to the root inside of
 * it, and what that one makes is below, in its container. Of several owners the outermost counts, for all
 * further in is by his leave.
 *
 * What is above may be gone by now. Who owns what is left decides: a directory of root's is removed by root alone. But
 * units are removed by systemd as soon as they are empty, which is as their user likes: whose they were cannot
 * be told any more, so nobody is believed.
 */
#ifndef PYPROF_GROUP_MAKER_H
#define PYPROF_GROUP_MAKER_H

#include <stddef.h>

#include "container/hierarchy.h"

#define MAKER_ROOT    0
#define MAKER_UNKNOWN ((u32)-1) /* somebody else */

/*
 * His uid; MAKER_ROOT also where nothing can be looked at. The group is the first size bytes of the path. Only those
 * above it that end before the byte `until` count, for who may make groups below a user's slice is known; SIZE_MAX:
 * all. A few calls of stat.
 */
u32 group_maker_find(const struct hierarchy *hierarchy, const char *path, size_t size, size_t until);

#endif
