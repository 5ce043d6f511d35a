/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * plt.h - the stubs through which a file calls other files' functions, as symbols
 * named `FUNCTION@plt`. They have no symbols of their own.
 *
 * A stub jumps through a slot of the GOT, and a relocation says whose address the
 * loader puts there. So each stub is decoded for its slot and the slot is looked up
 * among the relocations: this holds for every linker's order and kind of stubs.
 * Besides call_site.h this is what in elf/ knows machine code. x86-64 only.
 */
#ifndef PYPROF_PLT_H
#define PYPROF_PLT_H

#include <libelf.h>

#include "elf/symbol_table.h"

/*
 * segments: where code may lie. symbols (NULL: none) name the functions whose address the program chooses
 * at start (IRELATIVE: strlen in libc and in static programs). The result may be empty.
 */
int plt_load(Elf *elf, const struct code_range *segments, size_t segment_cnt, const struct symbol_table *symbols,
	     struct symbol_table **ret);

#endif
