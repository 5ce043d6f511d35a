/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * interp_head.h - the variable in which CPython to 3.6 keeps the address of its first
 * interpreter. It is static, so only .symtab names it; but an exported function of one
 * instruction returns it.
 */
#ifndef PYPROF_INTERP_HEAD_H
#define PYPROF_INTERP_HEAD_H

#include <stddef.h>

#include "elf/elf_file.h"
#include "pyprof/types.h"

/* Its vaddr. -ENOENT: not found. */
int interp_head_find(struct elf_file *elf, u64 *ret);

/* What the function returns whose first size bytes, at address, these are. -ENOTSUP: not one that only reads a variable. */
#define INTERP_HEAD_CODE_SIZE 18
int interp_head_decode(const u8 *code, size_t size, u64 address, u64 *ret);

#endif
