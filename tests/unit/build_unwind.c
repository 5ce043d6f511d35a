/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "build_unwind.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void *allocate(size_t cnt, size_t size)
{
	void *memory = calloc(cnt, size);

	cr_assert_not_null(memory);
	return memory;
}

static void key_mix(struct unwind_table *table, u64 value)
{
	table->key[0] = (table->key[0] ^ value) * 0x9E3779B97F4A7C15ull;
	table->key[1] += table->key[0] >> 7;
}

static void row_put(struct unwind_table *table, struct unwind_page *page, u64 address, u32 rule)
{
	page->cnt++;
	table->rows[table->row_cnt++] = (struct unwind_row){address & (UNWIND_PAGE_SIZE - 1), rule};
	key_mix(table, address << 16 | rule);
}

/* Rules that were used lately are used again: they are numbered with 16 bits. */
static u32 rule_put(struct unwind_table *table, const struct unwind_rule *rule)
{
	for (u32 i = table->rule_cnt; i-- > 0 && table->rule_cnt - i < 8;)
		if (!memcmp(&table->rules[i], rule, sizeof(*rule)))
			return i;
	table->rules[table->rule_cnt] = *rule;
	return table->rule_cnt++;
}

/* Each page begins with a row, that of the page before going on. */
struct unwind_table *built_table(const struct built_row *rows, size_t cnt)
{
	struct unwind_table *table = allocate(1, sizeof(*table));
	u64 last = rows[cnt - 1].address >> UNWIND_PAGE_SHIFT;

	table->first = rows[0].address >> UNWIND_PAGE_SHIFT;
	table->page_cnt = last - table->first + 1;
	table->pages = allocate(table->page_cnt, sizeof(*table->pages));
	table->rows = allocate(cnt + table->page_cnt, sizeof(*table->rows));
	table->rules = allocate(cnt + 1, sizeof(*table->rules));
	table->rule_cnt = 1;

	size_t next = 0;
	u32 rule = 0;
	for (u32 i = 0; i < table->page_cnt; i++) {
		struct unwind_page *page = &table->pages[i];
		u64 start = (table->first + i) << UNWIND_PAGE_SHIFT;

		page->row = table->row_cnt;
		if (rows[next].address != start)
			row_put(table, page, start, rule);
		for (; next < cnt && rows[next].address - start < UNWIND_PAGE_SIZE; next++) {
			rule = rule_put(table, &rows[next].rule);
			row_put(table, page, rows[next].address, rule);
		}
	}
	return table;
}

struct unwind_memory built_unwind_memory(void)
{
	return (struct unwind_memory){
		.mappings = allocate(MAX_UNWIND_MAPPINGS, sizeof(struct unwind_mapping)),
		.files = allocate(MAX_UNWIND_FILES, sizeof(struct unwind_file)),
		.pages = allocate(MAX_UNWIND_PAGES, sizeof(struct unwind_page)),
		.rows = allocate(MAX_UNWIND_ROWS, sizeof(struct unwind_row)),
		.rules = allocate(MAX_UNWIND_RULES, sizeof(struct unwind_rule)),
	};
}

void built_unwind_memory_free(struct unwind_memory *memory)
{
	free(memory->mappings);
	free(memory->files);
	free(memory->pages);
	free(memory->rows);
	free(memory->rules);
}
