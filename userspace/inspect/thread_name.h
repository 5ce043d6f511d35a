/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* thread_name.h - what threading.Thread calls its threads, of one interpreter. */
#ifndef PYPROF_PYTHON_THREAD_NAME_H
#define PYPROF_PYTHON_THREAD_NAME_H

#include "inspect/object.h"

/*
 * Calls visit for each thread in threading._active: ident is threading.get_ident()
 * of it, name is for the call only. 0 without a call where `threading` was never
 * imported. The first visit that does not return 0 is the last, and its answer is ours.
 */
int thread_names_read(const struct python_objects *objects, u64 interpreter,
		      int (*visit)(void *ctx, u64 ident, const char *name), void *ctx);

#endif
