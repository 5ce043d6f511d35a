/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * text_copy.h - whether memory holds a copy of a piece of an ELF file: by a few
 * spots, for a copy of text is a copy throughout, and other code is other at once.
 */
#ifndef PYPROF_TEXT_COPY_H
#define PYPROF_TEXT_COPY_H

#include <stdbool.h>

#include "base/remote_memory.h"
#include "elf/elf_file.h"

/* size bytes of memory at address, and of the file from file_offset on. False as well when there is too little to tell by. */
bool text_copy_matches(const struct remote_memory *memory, u64 address, u64 size, struct elf_file *elf,
		       u64 file_offset);

#endif
