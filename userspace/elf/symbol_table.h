/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * symbol_table.h - the functions of one file, by address. Built from the symbol
 * sections of an ELF file, whose bytes are not believed; immutable thereafter.
 * Pure: reads no file.
 */
#ifndef PYPROF_SYMBOL_TABLE_H
#define PYPROF_SYMBOL_TABLE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "elf/elf_file.h"
#include "pyprof/types.h"

#define SYMBOL_NAME_SIZE 4096 /* with the NUL; what is longer is cut */

/* Half open; empty: no code there. */
struct code_range {
	u64 start, end;
};

/*
 * One .symtab or .dynsym, borrowed. Only symbols inside segments (executable
 * PT_LOADs) count. Sections, by number, are where a symbol without a size ends at
 * the latest, and tell code from labels in data; none when there are no headers.
 */
struct symbol_source {
	const Elf64_Sym *symbols;
	size_t cnt;
	const char *strings;
	size_t strings_size;
	const struct code_range *segments, *sections;
	size_t segment_cnt, section_cnt;
};

/* A symbol's name and its length, cut; NULL unless it begins and ends in the strings and is not empty. */
const char *symbol_source_name(const struct symbol_source *source, const Elf64_Sym *symbol, size_t *ret_length);

struct symbol_table;

/* -E2BIG: more names than any real file has. Sources in any order; of several names for an address the best is kept (symbol_name_rank). */
int symbol_table_build(const struct symbol_source *sources, size_t cnt, struct symbol_table **ret);
void symbol_table_free(struct symbol_table *table);
DEFINE_CLEANUP(symbol_table, struct symbol_table *, symbol_table_free)

/* The innermost function that covers address, NULL when none does. */
const struct symbol *symbol_table_find(const struct symbol_table *table, u64 address);

/*
 * Which of several names for one address a person wants to read: less is better.
 * A global one, without a suffix (.part.0, .cold), with few leading underscores
 * (malloc, not __libc_malloc), short.
 */
u32 symbol_name_rank(const char *name, size_t length, bool local);
#define SYMBOL_RANK_LABEL (1u << 31) /* added for what only looks like a function */

#endif
