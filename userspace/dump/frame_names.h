/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * frame_names.h - from a stack of the tables to frames of a snapshot: which of them
 * are wanted, which frame object each is, its plain name, its variables.
 */
#ifndef PYPROF_FRAME_NAMES_H
#define PYPROF_FRAME_NAMES_H

#include "base/cleanup.h"
#include "base/remote_memory.h"
#include "dump/snapshot.h"
#include "process/process.h"
#include "profile/profile.h"
#include "inspect/object.h"
#include "python/python_walk.h"
#include "dump/stack_reader.h"

struct frame_names;

/* objects may be NULL. All but options is borrowed. */
int frame_names_new(const struct snapshot_options *options, const struct profile_tables *tables,
		    const struct remote_memory *memory, const struct process *process,
		    const struct python_objects *objects, struct frame_names **ret);
void frame_names_free(struct frame_names *names);
DEFINE_CLEANUP(frame_names, struct frame_names *, frame_names_free)

/*
 * The frames of a stack, with what must be read while they are there. python: what the
 * stack was made of, which knows where each frame lies; NULL: a sample, which does not.
 */
int frame_names_stack(struct frame_names *names, struct snapshot *snapshot, u32 stack,
		      const struct python_stack *python, struct stack_frames *ret);
/* Puts in the names that the symbolizer has found since. */
int frame_names_put(struct frame_names *names, struct snapshot *snapshot, struct stack_frames *frames);

#endif
