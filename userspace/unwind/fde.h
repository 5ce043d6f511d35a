/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fde.h - how to unwind from one address, written for libunwind: a small .eh_frame
 * (Linux Standard Base, "Exception Frames") of our own making, with its search table,
 * which libunwind sees at FDE_ADDRESS:
 *
 *	s32 INT32_MIN, s32 offset of the FDE	the table's one row, at or below every address
 *	CIE	no augmentation: addresses are absolute; alignment factors are 1
 *	FDE	no advance: one state, which holds for all of `start` to `end`
 *
 * Why not the file's own bytes? libunwind's interpreter (1.6.2) trusts them: it indexes
 * its registers with operands that it did not check, takes the operands of instructions
 * that it does not know (DW_CFA_val_offset) for instructions, and divides INT64_MIN by
 * -1. So unwind/cfi.h reads the file's program, and of the file libunwind gets to see
 * expressions only, those that fde_expression_check passes.
 *
 * Addresses in it are the file's, so that it serves every process that maps the file.
 */
#ifndef PYPROF_FDE_H
#define PYPROF_FDE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "elf/eh_index.h"
#include "pyprof/types.h"
#include "unwind/cfi.h"

struct fde {
	u64 start, end; /* vaddr, half open */
	bool signal; /* a frame that the kernel made: its caller was interrupted, it did not call */
	bool debug_frame; /* from there; else from .eh_frame */
	bool plain; /* all is at fixed distances from a register's value; no expressions */
	u64 id; /* frame_step.h's; 0 at first */
	u32 undefined; /* a bit for each register of the caller that is lost; rip: there is no caller. Not in bytes */
	u32 size;
	u8 bytes[];
};

#define FDE_ADDRESS    0xffff800000000000ull /* in the kernel's half: no stack is there */
#define FDE_TABLE_SIZE 8

/* What .eh_frame says of this vaddr. -ENOENT: nothing. -ENOTSUP: something that libunwind must not run. */
int fde_find(struct elf_file *file, const struct eh_index *index, u64 address, struct fde **ret);

/* The same of an FDE that was found in another way. */
int fde_of_cfi(const struct cfi_fde *cfi, u64 address, struct fde **ret);

/* The pure part: a row of call frame information, as libunwind's. -ENOTSUP as above. */
int fde_build(const struct cfi_cie *cie, const struct cfi_state *state, u64 start, u64 end, struct fde **ret);

/*
 * Does a DWARF expression (DWARF 5, section 2.5) have only operations that libunwind
 * does right, and no jump? Then it ends. -EBADMSG: it ends inside of one.
 */
int fde_expression_check(const void *bytes, size_t size);

static inline void fde_free(struct fde *fde)
{
	free(fde);
}
DEFINE_CLEANUP(fde, struct fde *, fde_free)

#endif
