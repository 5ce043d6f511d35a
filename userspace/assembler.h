/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * assembler.h - puts the parts of a sample together to one stack, outermost frame
 * first: what is missing, Python, native, kernel. Where the placement of Python
 * runs among native frames is known, it will be done here too.
 *
 * Two paths. Hot: a part that was seen before costs two look-ups. Cold: first sight
 * of a part, whose frames the symbolizer then finds.
 */
#ifndef PYPROF_ASSEMBLER_H
#define PYPROF_ASSEMBLER_H

#include "base/cleanup.h"
#include "process/process.h"
#include "profile/profile.h"
#include "pyprof/record.h"
#include "symbolize/symbolizer.h"

struct assembler;

/* Both are borrowed. */
int assembler_new(const struct profile_tables *tables, struct symbolizer *symbolizer, struct assembler **ret);
void assembler_free(struct assembler *assembler);
DEFINE_CLEANUP(assembler, struct assembler *, assembler_free)

/*
 * *ret is a stack id. doubt: what is missing of the Python side as a whole, or
 * LOSS_NONE. *ret_losses has a bit for each enum loss that the stack shows,
 * *ret_python_losses those of its Python side. -ENOSPC: a table is full, see below.
 */
int assembler_stack(struct assembler *assembler, struct process *process, const struct sample *sample, enum loss doubt,
		    u32 *ret, u32 *ret_losses, u32 *ret_python_losses);

/* Forgets all parts; the kernel side must be told to send them again (capture_forget_parts). */
void assembler_forget(struct assembler *assembler);

#endif
