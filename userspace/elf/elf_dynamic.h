/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * elf_dynamic.h - what PT_DYNAMIC says, as the dynamic loader finds it: enough for
 * the name of a library, and for its exported symbols when the section headers
 * were stripped away. Results live as long as the image.
 */
#ifndef PYPROF_ELF_DYNAMIC_H
#define PYPROF_ELF_DYNAMIC_H

#include <libelf.h>
#include <stdbool.h>

#include "elf/symbol_table.h"

/* False when there is no DT_SYMTAB, or its length cannot be known (no hash table). */
bool elf_dynamic_symbols(Elf *elf, struct symbol_source *ret);

/* DT_SONAME, NULL when there is none. */
const char *elf_dynamic_soname(Elf *elf);

#endif
