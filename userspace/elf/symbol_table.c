/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "elf/symbol_table.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* How far functions may lie in each other: real ones two or three deep, made-up ones not forever. */
#define MAX_NESTING 64
#define NO_SYMBOL   UINT32_MAX

/* Symbols may share one string, so that names can take more than the file; only made-up ones take this much. */
#define MAX_NAMES_SIZE (256u << 20)

struct symbol_table {
	struct symbol *symbols; /* sorted by start, one for each */
	u32 *outer; /* index of the symbol that covers our start, NO_SYMBOL: none */
	char *names;
	size_t cnt;
};

/* A symbol on its way into the table. */
struct candidate {
	u64 start, end;
	const char *name; /* in its source, without an end of its own */
	u32 length;
	u32 rank;
	bool open; /* the file gives no size: end is as far as it can be */
};

struct candidates {
	struct candidate *at;
	size_t cnt;
};

static inline void candidates_cleanup_(struct candidates *list)
{
	free(list->at);
}

u32 symbol_name_rank(const char *name, size_t length, bool local)
{
	size_t underscores = 0;

	while (underscores < length && underscores < 15 && name[underscores] == '_')
		underscores++;
	bool has_suffix = length && (memchr(name + 1, '.', length - 1) || memchr(name + 1, '@', length - 1));
	return (u32)local << 30 | (u32)has_suffix << 29 | (u32)underscores << 16 | (u32)(length & 0xffff);
}

const char *symbol_source_name(const struct symbol_source *source, const Elf64_Sym *symbol, size_t *ret_length)
{
	if (symbol->st_name >= source->strings_size)
		return NULL;

	const char *name = source->strings + symbol->st_name;
	size_t left = source->strings_size - symbol->st_name;
	size_t length = strnlen(name, left < SYMBOL_NAME_SIZE ? left : SYMBOL_NAME_SIZE - 1);
	if (!length || length == left)
		return NULL;
	*ret_length = length;
	return name;
}

static bool is_function(const Elf64_Sym *symbol)
{
	u8 type = ELF64_ST_TYPE(symbol->st_info);

	return type == STT_FUNC || type == STT_GNU_IFUNC;
}

static const struct code_range *range_find(const struct code_range *ranges, size_t cnt, u64 address)
{
	for (size_t i = 0; i < cnt; i++) {
		if (address >= ranges[i].start && address < ranges[i].end)
			return &ranges[i];
	}
	return NULL;
}

/* The symbol's own section, if that holds it and is code. */
static const struct code_range *section_of(const struct symbol_source *source, const Elf64_Sym *symbol)
{
	if (symbol->st_shndx >= source->section_cnt)
		return NULL;
	return range_find(&source->sections[symbol->st_shndx], 1, symbol->st_value);
}

/* False when the symbol is no code, or has no name. */
static bool candidate_of(const struct symbol_source *source, const Elf64_Sym *symbol, struct candidate *ret)
{
	bool function = is_function(symbol);

	if (!function && ELF64_ST_TYPE(symbol->st_info) != STT_NOTYPE)
		return false;
	if (symbol->st_shndx == SHN_UNDEF || (!function && symbol->st_shndx == SHN_ABS))
		return false;

	const struct code_range *segment = range_find(source->segments, source->segment_cnt, symbol->st_value);
	const struct code_range *section = section_of(source, symbol);
	if (!segment || (!function && source->section_cnt && !section))
		return false;

	size_t length;
	const char *name = symbol_source_name(source, symbol, &length);
	if (!name || name[0] == '$') /* Arm's mapping symbols: $x, $d */
		return false;

	bool open = !symbol->st_size;
	u64 end = open && section && section->end < segment->end ? section->end : segment->end;
	if (!open && symbol->st_size < end - symbol->st_value)
		end = symbol->st_value + symbol->st_size;

	bool local = ELF64_ST_BIND(symbol->st_info) == STB_LOCAL;
	*ret = (struct candidate){
		.start = symbol->st_value,
		.end = end,
		.name = name,
		.length = length,
		.rank = symbol_name_rank(name, length, local) | (function ? 0 : SYMBOL_RANK_LABEL),
		.open = open,
	};
	return true;
}

static void candidates_add(struct candidates *list, const struct symbol_source *source)
{
	for (size_t i = 0; i < source->cnt; i++)
		list->cnt += candidate_of(source, &source->symbols[i], &list->at[list->cnt]);
}

static int candidates_collect(const struct symbol_source *sources, size_t cnt, struct candidates *list)
{
	size_t total = 1; /* candidate_of may write one more than it keeps, and calloc(0) is no error */

	for (size_t i = 0; i < cnt; i++)
		total += sources[i].cnt;
	if (total >= NO_SYMBOL)
		return -E2BIG;
	list->at = calloc(total, sizeof(*list->at));
	if (!list->at)
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++)
		candidates_add(list, &sources[i]);
	return 0;
}

/* By address, the best name first. */
static int candidate_compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return memcmp(x->name, y->name, x->length); /* the rank holds the length */
}

/* One candidate for each address: the best name, with the largest size that any of them gives. */
static void candidates_unite(struct candidates *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->cnt; i++) {
		struct candidate *next = &list->at[i], *last = kept ? &list->at[kept - 1] : NULL;

		if (!last || last->start != next->start) {
			list->at[kept++] = *next;
		} else if (!next->open && (last->open || next->end > last->end)) {
			last->end = next->end;
			last->open = false;
		}
	}
	list->cnt = kept;
}

/* Labels inside a function with a size are places in it, not functions. */
static void candidates_drop_labels(struct candidates *list)
{
	u64 function_end = 0;
	size_t kept = 0;

	for (size_t i = 0; i < list->cnt; i++) {
		struct candidate next = list->at[i];
		bool label = next.rank & SYMBOL_RANK_LABEL;

		if (label && next.start < function_end)
			continue;
		if (!label && !next.open && next.end > function_end)
			function_end = next.end;
		list->at[kept++] = next;
	}
	list->cnt = kept;
}

static void candidates_close_open(struct candidates *list)
{
	for (size_t i = 0; i + 1 < list->cnt; i++) {
		struct candidate *open = &list->at[i];

		if (open->open && open->end > open[1].start)
			open->end = open[1].start;
	}
}

static int table_take_names(struct symbol_table *table, const struct candidates *list)
{
	size_t size = 0;

	for (size_t i = 0; i < list->cnt; i++)
		size += list->at[i].length + 1;
	if (size > MAX_NAMES_SIZE)
		return -E2BIG;
	table->names = malloc(size + 1);
	if (!table->names)
		return -ENOMEM;

	char *at = table->names;
	for (size_t i = 0; i < list->cnt; i++) {
		table->symbols[i].name = memcpy(at, list->at[i].name, list->at[i].length);
		at += list->at[i].length;
		*at++ = 0;
	}
	return 0;
}

/*
 * Who lies in whom. Going up, a symbol's outer one is its predecessor or one of
 * that one's outer ones: the first that is not over yet. Each step outwards is
 * taken for good, as the ones skipped end before everything that follows.
 */
static void table_nest(struct symbol_table *table)
{
	for (u32 i = 0; i < table->cnt; i++) {
		u32 outer = i ? i - 1 : NO_SYMBOL;

		while (outer != NO_SYMBOL &&
		       table->symbols[outer].start + table->symbols[outer].size <= table->symbols[i].start)
			outer = table->outer[outer];
		table->outer[i] = outer;
	}
}

int symbol_table_build(const struct symbol_source *sources, size_t cnt, struct symbol_table **ret)
{
	__attribute__((cleanup(candidates_cleanup_))) struct candidates list = {0};
	_cleanup_(symbol_table) struct symbol_table *table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;

	int err = candidates_collect(sources, cnt, &list);
	if (err)
		return err;
	qsort(list.at, list.cnt, sizeof(*list.at), candidate_compare);
	candidates_unite(&list);
	candidates_drop_labels(&list);
	candidates_close_open(&list);

	table->cnt = list.cnt;
	table->symbols = calloc(list.cnt + 1, sizeof(*table->symbols));
	table->outer = calloc(list.cnt + 1, sizeof(*table->outer));
	if (!table->symbols || !table->outer)
		return -ENOMEM;
	for (size_t i = 0; i < list.cnt; i++) {
		table->symbols[i].start = list.at[i].start;
		table->symbols[i].size = list.at[i].end - list.at[i].start;
	}
	table_nest(table);
	err = table_take_names(table, &list);
	if (err)
		return err;
	*ret = take(table);
	return 0;
}

void symbol_table_free(struct symbol_table *table)
{
	if (!table)
		return;
	free(table->symbols);
	free(table->outer);
	free(table->names);
	free(table);
}

/* The last symbol that starts at or before address. */
static u32 table_search(const struct symbol_table *table, u64 address)
{
	size_t low = 0, high = table->cnt;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->symbols[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? low - 1 : NO_SYMBOL;
}

const struct symbol *symbol_table_find(const struct symbol_table *table, u64 address)
{
	u32 i = table_search(table, address);

	for (int depth = 0; i != NO_SYMBOL && depth < MAX_NESTING; depth++) {
		const struct symbol *symbol = &table->symbols[i];

		if (address - symbol->start < symbol->size)
			return symbol;
		i = table->outer[i];
	}
	return NULL;
}
