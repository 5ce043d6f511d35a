/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * part_builder.h - first sight of a part of a sample: the symbolizer finds its
 * frames, those that are not wanted are left out, and what remains is a part in the
 * part table, in each form in which it may be needed. The cold side of the assembler.
 */
#ifndef PYPROF_PART_BUILDER_H
#define PYPROF_PART_BUILDER_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "process/process.h"
#include "profile/part_table.h"
#include "profile/profile.h"
#include "pyprof/record.h"
#include "symbolize/symbolizer.h"

enum part_kind { PART_KERNEL, PART_PYTHON, PART_NATIVE, PART_LEAF, PART_LEAF_INSIDE };

/* One sample while it is put together. Its native side is the kernel side's or the fallback's. */
struct assembly {
	struct process *process;
	const struct sample *sample;
	bool python; /* it has Python frames, and so filters its native ones */
	bool unmerged;
	bool counted; /* its runs have no anchors */
	u64 native_id; /* 0: none */
	const u64 *words; /* innermost first; of the first one only its bits */
	u32 word_cnt; /* 0: known under its id */
	enum loss end;
};

struct part_builder;

/* native: what threads that run Python show. The rest is borrowed. */
int part_builder_new(enum native_frames native, const struct profile_tables *tables, struct symbolizer *symbolizer,
		     struct part_table *parts, struct part_builder **ret);
void part_builder_free(struct part_builder *builder);
DEFINE_CLEANUP(part_builder, struct part_builder *, part_builder_free)

/* Of a part that the sample has. Fills all but the id. -ENOSPC: a table is full. */
int part_builder_build(struct part_builder *builder, const struct assembly *assembly, enum part_kind kind,
		       struct known_part *ret);

#endif
