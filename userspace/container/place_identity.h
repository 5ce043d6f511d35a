/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * place_identity.h - what makes two cgroups those of one place: a text that is the same for both. Pure.
 *
 * A container is its runtime's name and its id, so that its groups in several hierarchies, and on several paths, are
 * one. An id that a person chose is not unique, so the path belongs to it. And whoever may make cgroups, as
 * users and containers often may below their own, can name one like another container's: so the user whose slice
 * it is in, or who else made it and the path, or the outermost container and the way from there, belong to it, too.
 */
#ifndef PYPROF_PLACE_IDENTITY_H
#define PYPROF_PLACE_IDENTITY_H

#include "container/cgroup_path.h"
#include "pyprof/types.h"

struct strbuf;

/* Of a path that tells a container or a unit, read before. maker: of the container's group (group_maker.h). */
void place_identity_put(struct strbuf *b, const char *path, const struct cgroup_path *read, u32 maker);

#endif
