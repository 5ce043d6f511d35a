/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * python_walk.h - the Python frames of a thread that does not run, from outside:
 * the kernel side's own walker (bpf/python.bpf.h), compiled over a remote memory.
 * What it gives has the form of a sample's Python part (record.h).
 */
#ifndef PYPROF_PYTHON_WALK_H
#define PYPROF_PYTHON_WALK_H

#include "base/cleanup.h"
#include "base/remote_memory.h"
#include "pyprof/python_abi.h"
#include "pyprof/record.h"

struct python_stack {
	struct python_frame frames[MAX_PYTHON_FRAMES]; /* innermost first, with PYTHON_RUN_BEGIN */
	u64 addresses[MAX_PYTHON_FRAMES]; /* of the frame objects themselves */
	u64 anchors[MAX_PYTHON_RUNS]; /* as in stack_record */
	u32 cnt, run_cnt;
	u8 end; /* enum loss; LOSS_NONE: came to the outermost frame */
	u64 id; /* hashes what the frames are */
};

struct python_walker;

/* memory is borrowed; runtime is the address of _PyRuntime (python_file.h). */
int python_walker_new(const struct remote_memory *memory, const struct python_layout *layout, u64 runtime,
		      struct python_walker **ret);
void python_walker_free(struct python_walker *walker);
DEFINE_CLEANUP(python_walker, struct python_walker *, python_walker_free)

/* state: the thread's PyThreadState. sp: where its C stack ends now, for runs whose anchor is gone already; 0: not known. */
int python_walk(struct python_walker *walker, u64 state, u64 thread_pointer, u64 sp, struct python_stack *ret);

#endif
