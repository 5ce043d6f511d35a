/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * python_walk.h - the Python frames of a thread that does not run, from outside:
 * the kernel side's own walker (bpf/python.bpf.h), compiled over a remote memory.
 * What it gives has the form of a sample's Python part (record.h). Nothing is
 * stopped: whether the thread held still meanwhile is for the caller to find out.
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
	u64 fault_address; /* what could not be read, when end is LOSS_PYTHON_FAULT; else 0 */
	u64 id; /* hashes what the frames are */
};

struct python_walker;

/*
 * For the threads of one process. memory is borrowed; runtime is the address of
 * _PyRuntime (python_file.h). -EINVAL: a layout that cannot be.
 */
int python_walker_new(const struct remote_memory *memory, const struct python_layout *layout, u64 runtime,
		      struct python_walker **ret);
void python_walker_free(struct python_walker *walker);
DEFINE_CLEANUP(python_walker, struct python_walker *, python_walker_free)

/*
 * state: the thread's PyThreadState. sp: where its C stack ends now, for the run
 * whose anchor is gone already; 0: not known. -ESRCH: that is not, or no longer, the
 * state of a thread with this thread pointer; other errors are those of the
 * memory. A stack that was cut, even before its first frame, is an answer: see end.
 */
int python_walk(struct python_walker *walker, u64 state, u64 thread_pointer, u64 sp, struct python_stack *ret);

#endif
