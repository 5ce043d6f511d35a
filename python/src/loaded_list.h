/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * loaded_list.h - whether libraries were loaded or unloaded since the last look.
 *
 * dl_iterate_phdr() could say so, but takes the dynamic linker's lock: of a thread that holds it and waits for
 * the GIL, which the caller has; or of one that a fork left behind. So this reads the list that
 * the linker keeps for debuggers (<link.h>, struct r_debug), as a debugger does: it may change meanwhile, or be gone.
 *
 * A library that took the very place of another one in the list and in memory is not seen at once (nor one in a
 * namespace of its own, dlmopen(3)): so a list is thought to have changed after a second in any case.
 */
#ifndef STACKTRACE_LOADED_LIST_H
#define STACKTRACE_LOADED_LIST_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "pyprof/types.h"

struct loaded_list;

int loaded_list_new(struct loaded_list **ret);
void loaded_list_free(struct loaded_list *list);
DEFINE_CLEANUP(loaded_list, struct loaded_list *, loaded_list_free)

/* Since it was asked last; true the first time. In doubt true. */
bool loaded_list_has_changed(struct loaded_list *list);

#endif
