/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * mini_symbols.h - .gnu_debugdata: a small ELF file with the functions that .dynsym
 * does not have, compressed with xz, inside of a stripped one. (Fedora,
 * "MiniDebugInfo"; gdb's manual has a chapter of that name.)
 */
#ifndef PYPROF_MINI_SYMBOLS_H
#define PYPROF_MINI_SYMBOLS_H

#include <libelf.h>
#include <stdbool.h>

#include "elf/elf_bytes.h"

bool mini_symbols_exist(Elf *elf);

/*
 * The small file, unpacked into memory. -ENOENT: there is none.
 * -EFBIG: it unpacks to more than a symbol table could (a bomb). -EBADMSG: it is damaged.
 */
int mini_symbols_read(Elf *elf, struct elf_bytes *ret);

#endif
