/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_unwind_table.c - any bytes as an ELF file: its table is one that the kernel side can search. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "unwind/unwind_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_page(const struct unwind_table *table, const struct unwind_page *page)
{
	if (page->cnt > MAX_ROWS_IN_PAGE || page->row > table->row_cnt || page->cnt > table->row_cnt - page->row)
		abort();
	for (u32 i = 0; i < page->cnt; i++) {
		const struct unwind_row *row = &table->rows[page->row + i];

		if (row->rule >= table->rule_cnt || (i ? row->pc <= row[-1].pc : row->pc))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(elf_file) struct elf_file *file = NULL;
	_cleanup_(unwind_table) struct unwind_table *table = NULL;

	if (elf_file_open_memory(data, size, "fuzz", &file) || unwind_table_build(file, &table))
		return 0;
	if (!table->rule_cnt || UNWIND_KIND(&table->rules[0]) != UNWIND_NONE || table->page_cnt > MAX_UNWIND_PAGES ||
	    table->covered_size > table->code_size)
		abort();
	for (u32 i = 0; i < table->page_cnt; i++) {
		check_page(table, &table->pages[i]);
		unwind_table_find(table, ((table->first + i) << UNWIND_PAGE_SHIFT) + i % UNWIND_PAGE_SIZE);
	}
	return 0;
}
