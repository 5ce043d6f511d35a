/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * eh_index.h - the search table that leads from an address to its entry in .eh_frame:
 * .eh_frame_hdr (Linux Standard Base, "Exception Frame Header"), found as a C++ throw
 * finds it, by PT_GNU_EH_FRAME; so section headers are not needed.
 */
#ifndef PYPROF_EH_INDEX_H
#define PYPROF_EH_INDEX_H

#include "elf/elf_file.h"
#include "elf/symbol_table.h"
#include "pyprof/types.h"

struct eh_index {
	u64 header; /* vaddr; what the table's numbers are relative to */
	u64 table; /* vaddr of the first row */
	u32 cnt; /* rows */
};

/* -ENOENT: the file has none. -ENOTSUP: none of the form that every linker writes. */
int eh_index_open(struct elf_file *file, struct eh_index *ret);

/* The vaddr of the last entry that begins at or below address; whether it reaches that far is not known. -ENOENT. */
int eh_index_find(struct elf_file *file, const struct eh_index *index, u64 address, u64 *ret);

/* The code that one entry is about: what the compiler made in one piece. -ENOENT: address is in none; -ENOTSUP: an entry of another form. */
int eh_index_range(struct elf_file *file, const struct eh_index *index, u64 address, struct code_range *ret);

#endif
