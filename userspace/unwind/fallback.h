/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fallback.h - what the kernel side cannot express in a table, libunwind finishes:
 * over the registers and the copy of the stack that the kernel side sent, and the
 * files that are mapped. The process is not read: it runs on meanwhile.
 */
#ifndef PYPROF_FALLBACK_H
#define PYPROF_FALLBACK_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "process/process.h"
#include "pyprof/record.h"
#include "unwind/stack_copy.h"

/* Where a walk begins: one thread at one instant. All is borrowed. */
struct unwind_origin {
	const u64 *registers; /* as in stack_record */
	const u64 *anchors; /* as in stack_record */
	u32 run_cnt;
	bool runs_cut; /* there are more, outward of these */
	bool in_kernel; /* the sample's SAMPLE_IN_KERNEL */
	struct stack_copy stack;
};

/* A native part, of the same form as in a sample (record.h). */
struct unwound {
	u64 *words; /* borrowed, as is room for so many */
	u32 max; /* 1 at least; where it is met, end is LOSS_NATIVE_DEPTH */
	u32 cnt;
	u8 end; /* enum loss; LOSS_NONE: reached the thread's first frame */
	bool unmerged; /* as SAMPLE_UNMERGED */
};

struct fallback;

/* processes is borrowed. */
int fallback_new(struct process_table *processes, struct fallback **ret);
void fallback_free(struct fallback *fallback);
DEFINE_CLEANUP(fallback, struct fallback *, fallback_free)

/* Of what the kernel side sent. in_kernel: the sample's SAMPLE_IN_KERNEL. */
struct unwind_origin unwind_origin_of(const struct stack_record *record, bool in_kernel);

/* Always gives at least the leaf. Fails only with -ENOMEM. */
int fallback_unwind(struct fallback *fallback, struct process *process, const struct unwind_origin *origin,
		    struct unwound *ret);

#endif
