/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * elf_symbols.h - where one file's functions are listed: .symtab, .dynsym, and when
 * .symtab was stripped away, a separate debug file or the file in .gnu_debugdata. Those
 * have the same addresses, and sections of their own.
 */
#ifndef PYPROF_ELF_SYMBOLS_H
#define PYPROF_ELF_SYMBOLS_H

#include <libelf.h>
#include <stdbool.h>

#include "elf/elf_bytes.h"
#include "elf/symbol_table.h"

/* .dynsym, or what the dynamic loader sees of it; undefined symbols too. Lives as long as elf. */
bool elf_symbols_exported(Elf *elf, struct symbol_source *ret);

/* True when neither .symtab nor .gnu_debugdata is there: more functions may be known elsewhere. */
bool elf_symbols_are_stripped(Elf *elf);

/* For people: where most functions are listed. ".symtab", "debug file", ".gnu_debugdata", ".dynsym", "" for nowhere. */
const char *elf_symbols_place(Elf *elf, bool has_debug_file);

/* segments: where code may lie. debug: the debug file, if it exists. */
int elf_symbols_load(Elf *elf, struct elf_bytes *debug, const struct code_range *segments, size_t segment_cnt,
		     struct symbol_table **ret);

#endif
