/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * elf_cfi.h - where an ELF file keeps its call frame information, copied out of it,
 * and which of its addresses are code. Nothing of the content is looked at here.
 *
 * .eh_frame is found by its section, or, in files without section headers, by
 * PT_GNU_EH_FRAME: its .eh_frame_hdr says where .eh_frame begins; the end is then
 * unknown, so that bytes reach to the end of the segment. .debug_frame is
 * decompressed.
 */
#ifndef PYPROF_ELF_CFI_H
#define PYPROF_ELF_CFI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "elf/elf_file.h"
#include "elf/symbol_table.h"

/* Of one section, decompressed too. The largest .eh_frame seen (Chromium) has 20 MiB. */
#define MAX_CFI_SIZE (256u << 20)

struct elf_cfi_section {
	u8 *bytes;
	size_t size; /* 0: there is none */
	u64 address; /* vaddr of the first byte; 0 for .debug_frame */
	bool ends_at_zero; /* a terminator ends it, not size */
};

struct elf_cfi {
	struct elf_cfi_section eh_frame, debug_frame;
	/* Sorted, disjoint, not empty, with bytes in the file. */
	struct code_range *segments; /* what is mapped executable */
	struct code_range *sections; /* what is meant to be: the same as segments without section headers */
	size_t segment_cnt, section_cnt;
	u16 machine; /* e_machine */
	bool go; /* made by Go's compiler, which keeps frame pointers */
};

/* A part that cannot be read is absent. Fails only with -ENOMEM, and -ENOEXEC for what is no ELF program any more. */
int elf_cfi_read(struct elf_file *file, struct elf_cfi **ret);
void elf_cfi_free(struct elf_cfi *cfi);
DEFINE_CLEANUP(elf_cfi, struct elf_cfi *, elf_cfi_free)

#endif
