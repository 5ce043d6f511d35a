/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * frame_step.h - one frame back, by libunwind: what an FDE says (fde.h) applied to
 * registers and a copy of the stack. Nothing else is read; libunwind's accessors end
 * at the FDE and the copy.
 */
#ifndef PYPROF_FRAME_STEP_H
#define PYPROF_FRAME_STEP_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "pyprof/types.h"
#include "pyprof/unwind.h"
#include "unwind/fde.h"
#include "unwind/stack_copy.h"

struct frame_registers {
	u64 at[REG_CNT]; /* as DWARF numbers them */
	u32 known; /* a bit for each; the walk loses some on its way */
};

struct frame_stepper;

int frame_stepper_new(struct frame_stepper **ret);
void frame_stepper_free(struct frame_stepper *stepper);
DEFINE_CLEANUP(frame_stepper, struct frame_stepper *, frame_stepper_free)

/*
 * The FDE will be used again, always with the same pc: libunwind keeps what it read in it, if that is plain. Saves
 * more than half of what a step costs.
 */
void frame_stepper_keep(struct frame_stepper *stepper, struct fde *fde);

/*
 * Makes a frame's registers its caller's; pc is the vaddr that the FDE was found by.
 * -ENOENT: there is no caller (its rip is undefined). -EFAULT: a word lies beyond the
 * copy. -EBADMSG: libunwind refuses. On failure the registers stay as they were.
 */
int frame_step(struct frame_stepper *stepper, const struct fde *fde, u64 pc, const struct stack_copy *stack,
	       struct frame_registers *registers);

#endif
