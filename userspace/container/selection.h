/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* selection.h - which places are asked for: --container, --cgroup, --pod. A place is selected that one row selects. */
#ifndef PYPROF_SELECTION_H
#define PYPROF_SELECTION_H

#include <stdbool.h>
#include <stddef.h>

struct place;
struct strbuf;

enum selection_kind {
	SELECT_CONTAINER, /* NAME, ID, the beginning of an id (12 digits at least), or a glob of names */
	SELECT_CGROUP, /* PATH: that group and all below it; as in /proc/PID/cgroup, or as a directory below a mount of cgroups */
	SELECT_POD, /* NAMESPACE/NAME, both may be globs */
};

struct selection {
	enum selection_kind kind;
	const char *text; /* borrowed */
};

/* -EINVAL: `error` says what is wrong with the text. */
int selection_check(const struct selection *selection, struct strbuf *error);
/* NO is final only when the place is named: until then names may still come. */
enum selected { SELECTED_NO, SELECTED_YES, SELECTED_NOT_YET };
enum selected place_select(const struct place *place, const struct selection *selections, size_t cnt);

#endif
