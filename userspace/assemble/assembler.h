/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * assembler.h - puts the parts of a sample together to one stack, outermost frame
 * first. Of a thread without Python: what is missing, native, kernel frames. Of one
 * with Python frames, each run of them stands directly inside of the native frame
 * that executed it (record.h), the kernel frames innermost:
 *
 *	native;native;python;python;native;python;native;kernel	all
 *	python;python;native;python;native;kernel		extensions
 *	python;python;python;kernel				none
 *	native;native;native;[unmerged];python;python;python;kernel
 *
 * The last when it is not known which frame executed which run. Runs outward of
 * where the walk ended come before the `[truncated]` frame that says so; that frame
 * is left out where all that it hides would be.
 *
 * Two paths. Hot: what was seen before costs one look-up for each part, and one or
 * two for what is put together. Cold: first sight of a part, whose frames the
 * symbolizer then finds.
 */
#ifndef PYPROF_ASSEMBLER_H
#define PYPROF_ASSEMBLER_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "process/process.h"
#include "profile/profile.h"
#include "pyprof/record.h"
#include "symbolize/symbolizer.h"

struct assembler;
struct unwound; /* unwind/fallback.h */

struct assembler_options {
	enum native_frames native; /* of threads that run Python */
};

/* tables and symbolizer are borrowed. */
int assembler_new(const struct assembler_options *options, const struct profile_tables *tables,
		  struct symbolizer *symbolizer, struct assembler **ret);
void assembler_free(struct assembler *assembler);
DEFINE_CLEANUP(assembler, struct assembler *, assembler_free)

/* How Python and native frames came together. */
enum merge {
	MERGE_NONE, /* one of them is missing, or not wanted */
	MERGE_VERIFIED, /* each run was placed by its anchor, or lies outward of a truncated walk */
	MERGE_COUNTED, /* to 3.9, which has no anchors: as many runs as activations of the eval loop */
	MERGE_UNMERGED, /* not all of them are placed */
};

struct assembled {
	u32 stack;
	u32 losses; /* a bit for each enum loss that the stack shows */
	u32 python_losses; /* those of its Python side */
	bool has_native; /* there was a native walk ... */
	bool native_complete; /* ... and it came to the thread's first frame */
	enum merge merge;
};

/*
 * unwound: what replaces the sample's native part, or NULL. doubt: what is missing of
 * the Python side as a whole, or LOSS_NONE. -ENOSPC: a table is full, see below.
 */
int assembler_stack(struct assembler *assembler, struct process *process, const struct sample *sample,
		    const struct unwound *unwound, enum loss doubt, struct assembled *ret);

/* Forgets all parts; the kernel side must be told to send them again (capture_forget_parts). */
void assembler_forget(struct assembler *assembler);

#endif
