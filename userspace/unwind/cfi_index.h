/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cfi_index.h - from an address to its FDE in files that have no search table for it
 * (elf/eh_index.h): those with .debug_frame, and those whose .eh_frame was linked
 * without one. All sections are kept in memory, so this is for few files.
 */
#ifndef PYPROF_CFI_INDEX_H
#define PYPROF_CFI_INDEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "elf/elf_file.h"
#include "unwind/fde.h"

struct cfi_index;

/* What one may take, beyond which it is not made (-E2BIG). */
#define CFI_INDEX_SIZE_MAX (8u << 20)

/* without_eh_frame: only .debug_frame. -ENOENT: there is none of either. */
int cfi_index_build(struct elf_file *file, bool without_eh_frame, struct cfi_index **ret);
void cfi_index_free(struct cfi_index *index);
DEFINE_CLEANUP(cfi_index, struct cfi_index *, cfi_index_free)

/* Bytes that it takes. */
size_t cfi_index_size(const struct cfi_index *index);

/* As fde_find. */
int cfi_index_find(struct cfi_index *index, u64 address, struct fde **ret);

#endif
