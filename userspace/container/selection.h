/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * selection.h - which cgroups are asked for: --container, --cgroup, --pod. One is selected that one row selects; by its
 * place, or by its own path, for --cgroup may mean a group within a container or a unit. Pure.
 */
#ifndef PYPROF_SELECTION_H
#define PYPROF_SELECTION_H

#include <stdbool.h>
#include <stddef.h>

struct place;
struct strbuf;

enum selection_kind {
	SELECT_CONTAINER, /* NAME, ID, the beginning of an id (12 digits at least), or a glob of names, whose / is none but its own */
	SELECT_CGROUP, /* PATH: that group and all below it; from the root of its hierarchy (hierarchies_path) */
	SELECT_POD, /* NAMESPACE/NAME, both may be globs */
};

struct selection {
	enum selection_kind kind;
	const char *text; /* borrowed */
};

/* -EINVAL: `error` says what to write instead. Of a cgroup before hierarchies_path(). */
int selection_check(const struct selection *selection, struct strbuf *error);
/*
 * NOT_YET: no, but the place's names are still looked for. What is in no container may turn out to be in one, too: ask
 * again for all when place_table_generation() grew.
 */
enum selected { SELECTED_NO, SELECTED_YES, SELECTED_NOT_YET };
/* One cgroup: path from the root of its hierarchy, and its place. */
enum selected cgroup_select(const char *path, const struct place *place, const struct selection *selections,
			    size_t cnt);
/* The same of the group that is the container or unit itself. */
enum selected place_select(const struct place *place, const struct selection *selections, size_t cnt);

#endif
