/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * jit_names.h - the perf maps (perf_map.h) of processes that run code they made
 * themselves, and the frames that wait for a name from one: compilers write late,
 * some not before they end.
 *
 * A map is looked for when the first such frame is seen, in the process's own root under
 * its own pid, and stays open: what is written up to the last moment can be read after
 * it. (Or it is opened anew each time, in a program that is not ours.) It must be a regular file of the process's user or of root. Bounded in bytes,
 * and in time: for an address that has no name a map is looked at once a second at most,
 * for a profile that is about to be written at once; less often when that takes long.
 */
#ifndef PYPROF_JIT_NAMES_H
#define PYPROF_JIT_NAMES_H

#include "base/cleanup.h"
#include "process/process.h"

struct jit_names;

/* A frame that waited has a name. Fails as its caller shall. */
typedef int jit_named_fn(void *ctx, u32 frame, const char *name);

int jit_names_new(struct jit_names **ret);
int jit_names_new_without_descriptors(struct jit_names **ret);
void jit_names_free(struct jit_names *names);
DEFINE_CLEANUP(jit_names, struct jit_names *, jit_names_free)

/* NULL: none so far. Valid until the next call. */
const char *jit_names_find(struct jit_names *names, const struct process *process, u64 address);

/* The frame waits until a name for the address comes, or the process is forgotten. Beyond a bound it does not. */
int jit_names_wait(struct jit_names *names, const struct process *process, u64 address, u32 frame);

/* Looks at the maps again and calls named for frames that waited. */
int jit_names_retry(struct jit_names *names, struct process_table *processes, jit_named_fn *named, void *ctx);

/* The process is over: the same for the last time. */
int jit_names_forget(struct jit_names *names, const struct process *process, jit_named_fn *named, void *ctx);

#endif
