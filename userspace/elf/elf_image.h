/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * elf_image.h - an ELF file looked into for a moment, through libelf: its parts,
 * each checked against the size of the file and against our bounds. Everything a
 * look returns is released with it (elf_image_end), so hold one only while copying out.
 */
#ifndef PYPROF_ELF_IMAGE_H
#define PYPROF_ELF_IMAGE_H

#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "elf/elf_bytes.h"
#include "elf/symbol_table.h"
#include "pyprof/types.h"

/* Beyond these no linker's output lies; they bound what a made-up file costs us. */
#define MAX_PROGRAM_HEADERS 128
#define MAX_SECTIONS	    65536
#define MAX_SYMBOLS	    (4u << 20)
#define MAX_STRINGS_SIZE    (256u << 20)

struct elf_image {
	Elf *elf;
	struct elf_bytes bytes; /* held meanwhile, for those who read more than libelf does */
};

#define ELF_IMAGE_NONE                  \
	(struct elf_image)              \
	{                               \
		.bytes = ELF_BYTES_NONE \
	}

/*
 * Borrows the bytes while the image lives. -ENOEXEC: not a 64-bit little-endian program or library; and as
 * elf_bytes_hold().
 */
int elf_image_begin(struct elf_bytes *bytes, struct elf_image *ret);
void elf_image_end(struct elf_image *image); /* one that did not begin, too */

static inline void elf_image_cleanup_(struct elf_image *image)
{
	elf_image_end(image);
}

/* size bytes at a file offset, aligned for type. NULL when the file has fewer. */
const void *elf_image_bytes(Elf *elf, u64 offset, u64 size, Elf_Type type);

/* The first section with that name; false when there is none. */
bool elf_image_find_section(Elf *elf, const char *name, GElf_Shdr *ret);

/* The first segment of this type; false when there is none. */
bool elf_image_find_segment(Elf *elf, u32 type, GElf_Phdr *ret);

/* The symbols of the first section of this type (SHT_SYMTAB, SHT_DYNSYM); false when there are none. */
bool elf_image_symbols(Elf *elf, u32 section_type, struct symbol_source *ret);

/* Where vaddr lies in the file, and how many bytes the file has from there on in the same PT_LOAD. */
bool elf_image_locate(Elf *elf, u64 address, u64 *ret_offset, u64 *ret_left);

#endif
