/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "symbolize/kallsyms.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "elf/symbol_table.h"

/* More than any kernel has (200,000 with all its modules); bounds made-up text. */
#define MAX_KERNEL_SYMBOLS (4u << 20)
#define MAX_NAMES_SIZE	   (256u << 20)

/* Symbols have no sizes here: nothing is longer, what follows the last function of a module is a gap. */
#define MAX_FUNCTION_SIZE (256u << 10)

struct kernel_symbol {
	u64 address;
	u32 name; /* in names; NO_NAME: data, which ends the function before it */
	u32 rank;
};
#define NO_NAME UINT32_MAX

struct kallsyms {
	struct kernel_symbol *symbols; /* sorted by address, one for each */
	size_t cnt, capacity;
	char *names;
	size_t names_size, names_capacity;
	size_t named_cnt;
};

/* ADDRESS TYPE NAME, ended by a tab, a blank or the line. */
struct kallsyms_line {
	u64 address;
	char type;
	const char *name;
	size_t name_length;
};

static bool address_parse(const char **at, const char *end, u64 *ret)
{
	static const char digits[] = "0123456789abcdef";
	const char *start = *at;

	for (*ret = 0; *at < end && *at - start < 16; ++*at) {
		const char *digit = memchr(digits, **at, 16);
		if (!digit)
			break;
		*ret = *ret << 4 | (u64)(digit - digits);
	}
	return *at > start;
}

static bool line_parse(const char *at, size_t size, struct kallsyms_line *ret)
{
	const char *end = at + size;

	if (!address_parse(&at, end, &ret->address) || end - at < 4 || at[0] != ' ' || at[2] != ' ')
		return false;
	ret->type = at[1];
	ret->name = at + 3;
	for (at = ret->name; at < end && *at && *at != '\t' && *at != ' ' && *at != '\n';)
		at++;
	ret->name_length = at - ret->name;
	return ret->name_length && ret->name_length < SYMBOL_NAME_SIZE;
}

static int kallsyms_add_name(struct kallsyms *k, const struct kallsyms_line *line, struct kernel_symbol *symbol)
{
	size_t size = k->names_size + line->name_length + 1;

	if (size > MAX_NAMES_SIZE)
		return -E2BIG;
	char *names = array_reserve(k->names, &k->names_capacity, size, 1);
	if (!names)
		return -ENOMEM;
	k->names = names;
	symbol->name = k->names_size;
	symbol->rank = symbol_name_rank(line->name, line->name_length, line->type == 't' || line->type == 'w');
	memcpy(k->names + k->names_size, line->name, line->name_length);
	k->names[size - 1] = 0;
	k->names_size = size;
	k->named_cnt++;
	return 0;
}

/* Lines that are not understood are left out, as is address 0: hidden, or per-CPU data. */
static int kallsyms_add_line(struct kallsyms *k, const char *text, size_t size)
{
	struct kallsyms_line line;
	struct kernel_symbol symbol = {.name = NO_NAME, .rank = UINT32_MAX};

	if (!line_parse(text, size, &line) || !line.address)
		return 0;
	if (k->cnt == MAX_KERNEL_SYMBOLS)
		return -E2BIG;
	symbol.address = line.address;
	if (memchr("tTwW", line.type, 4)) {
		int err = kallsyms_add_name(k, &line, &symbol);
		if (err)
			return err;
	}
	struct kernel_symbol *symbols = array_reserve(k->symbols, &k->capacity, k->cnt + 1, sizeof(*symbols));
	if (!symbols)
		return -ENOMEM;
	k->symbols = symbols;
	k->symbols[k->cnt++] = symbol;
	return 0;
}

static int symbol_compare(const void *a, const void *b)
{
	const struct kernel_symbol *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name; /* what the kernel lists first */
}

/* Sorts, keeps the best name of each address, gives back what was allocated ahead. */
static void kallsyms_finish(struct kallsyms *k)
{
	size_t kept = 0;

	if (k->cnt)
		qsort(k->symbols, k->cnt, sizeof(*k->symbols), symbol_compare);
	for (size_t i = 0; i < k->cnt; i++) {
		const struct kernel_symbol *next = &k->symbols[i], *last = kept ? &k->symbols[kept - 1] : NULL;

		if (last && last->address == next->address)
			continue;
		if (next->name == NO_NAME && (!last || last->name == NO_NAME)) /* nothing to end */
			continue;
		k->symbols[kept++] = *next;
	}
	k->cnt = kept;

	void *fitting = realloc(k->symbols, (kept + 1) * sizeof(*k->symbols));
	if (fitting)
		k->symbols = fitting;
	fitting = realloc(k->names, k->names_size + 1);
	if (fitting)
		k->names = fitting;
}

int kallsyms_parse(const char *text, size_t size, struct kallsyms **ret)
{
	_cleanup_(kallsyms) struct kallsyms *k = calloc(1, sizeof(*k));
	const char *end = text + size;

	if (!k)
		return -ENOMEM;
	while (text < end) {
		const char *newline = memchr(text, '\n', end - text);
		const char *line_end = newline ? newline : end;

		int err = kallsyms_add_line(k, text, line_end - text);
		if (err)
			return err;
		text = newline ? newline + 1 : end;
	}
	kallsyms_finish(k);
	*ret = take(k);
	return 0;
}

/* Line by line: the whole text is several times what is kept of it. */
int kallsyms_open(struct kallsyms **ret)
{
	_cleanup_(stream) FILE *in = fopen("/proc/kallsyms", "re");
	if (!in)
		return -errno;
	_cleanup_(kallsyms) struct kallsyms *k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;

	_cleanup_(free) char *line = NULL;
	size_t capacity = 0;
	ssize_t size;

	while ((size = getline(&line, &capacity, in)) > 0) {
		int err = kallsyms_add_line(k, line, size);
		if (err)
			return err;
	}
	if (ferror(in))
		return -EIO;
	if (!k->named_cnt)
		return -EPERM;
	kallsyms_finish(k);
	*ret = take(k);
	return 0;
}

void kallsyms_free(struct kallsyms *k)
{
	if (!k)
		return;
	free(k->symbols);
	free(k->names);
	free(k);
}

const char *kallsyms_find(const struct kallsyms *k, u64 address)
{
	size_t low = 0, high = k->cnt;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (k->symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	const struct kernel_symbol *symbol = &k->symbols[low - 1];
	if (symbol->name == NO_NAME || address - symbol->address >= MAX_FUNCTION_SIZE)
		return NULL;
	return k->names + symbol->name;
}
