/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * namespace_tids.h - what a process calls its threads. In a PID namespace of its own
 * gettid() says other numbers than we see, and those are what a mutex keeps.
 */
#ifndef PYPROF_NAMESPACE_TIDS_H
#define PYPROF_NAMESPACE_TIDS_H

#include "base/cleanup.h"
#include "pyprof/types.h"

struct namespace_tids;

/* Reads nothing yet. */
int namespace_tids_new(int pid, struct namespace_tids **ret);
void namespace_tids_free(struct namespace_tids *tids);
DEFINE_CLEANUP(namespace_tids, struct namespace_tids *, namespace_tids_free)

/* The tid, as we see it, of the living thread that calls itself so; 0: there is none. Reads /proc/PID/task at first. */
u32 namespace_tids_find(struct namespace_tids *tids, u32 inner);

#endif
