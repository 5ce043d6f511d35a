/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "unwind/table_store.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "build_unwind.h"
#include "unwind/extents.h"

static struct unwind_memory memory;
static struct table_store *store;

static void begin(void)
{
	memory = built_unwind_memory();
	cr_assert_eq(table_store_new(&memory, &store), 0);
}

static void end(void)
{
	table_store_free(store);
	built_unwind_memory_free(&memory);
}

TestSuite(table_store, .init = begin, .fini = end);

static u32 file_with(const struct built_row *rows, size_t cnt)
{
	struct unwind_table *table = built_table(rows, cnt);
	u32 file;

	cr_assert_eq(table_store_add_file(store, &file), 0);
	cr_assert_eq(table_store_publish(store, file, table, 0), 0);
	unwind_table_free(table);
	return file;
}

/* As the kernel side finds it. */
static const struct unwind_rule *rule_at(u32 file, u64 address)
{
	const struct unwind_file *f = &memory.files[file];
	u64 index = (address >> UNWIND_PAGE_SHIFT) - f->first;

	cr_assert(f->flags & UNWIND_FILE_BUILT);
	if (index >= f->page_cnt)
		return &memory.rules[0];
	const struct unwind_page *page = &memory.pages[f->page + index];
	const struct unwind_row *found = NULL;
	for (u32 i = 0; i < page->cnt; i++)
		if (memory.rows[page->row + i].pc <= (address & (UNWIND_PAGE_SIZE - 1)))
			found = &memory.rows[page->row + i];
	return found ? &memory.rules[found->rule] : &memory.rules[0];
}

#define RULE(offset)                                                                \
	{                                                                           \
		.cfa = UNWIND_CFA(UNWIND_REGISTER, REG_RSP), .cfa_offset = (offset) \
	}

static const struct built_row small[] = {{0x1000, RULE(8)}, {0x1010, RULE(16)}, {0x21234, RULE(24)}};

Test(table_store, what_was_published_is_found_at_every_address)
{
	u32 file = file_with(small, 3);

	cr_assert_eq(rule_at(file, 0xfff)->cfa, UNWIND_NONE);
	cr_assert_eq(rule_at(file, 0x1000)->cfa_offset, 8);
	cr_assert_eq(rule_at(file, 0x100f)->cfa_offset, 8);
	cr_assert_eq(rule_at(file, 0x1010)->cfa_offset, 16);
	cr_assert_eq(rule_at(file, 0x1ffff)->cfa_offset, 16, "goes on in the next page");
	cr_assert_eq(rule_at(file, 0x21233)->cfa_offset, 16);
	cr_assert_eq(rule_at(file, 0x21234)->cfa_offset, 24);
	cr_assert_eq(rule_at(file, 0x40000)->cfa, UNWIND_NONE);
}

Test(table_store, equal_files_share_one_table)
{
	u32 first = file_with(small, 3), rows = table_store_row_cnt(store), second = file_with(small, 3);

	cr_assert_neq(first, second);
	cr_assert_eq(table_store_row_cnt(store), rows);
	table_store_withdraw(store, first, 0);
	cr_assert_not(table_store_is_published(store, first));
	cr_assert_eq(memory.files[first].flags, 0);
	cr_assert_eq(rule_at(second, 0x1010)->cfa_offset, 16);
	table_store_withdraw(store, second, 0);
	cr_assert_eq(table_store_row_cnt(store), 0);
}

Test(table_store, equal_rules_of_different_files_are_one_rule)
{
	const struct built_row other[] = {{0x5000, RULE(16)}};
	u32 first = file_with(small, 3), second = file_with(other, 1);

	cr_assert_eq(rule_at(first, 0x1010), rule_at(second, 0x5000));
}

Test(table_store, a_table_of_many_pages_lies_whole_within_blocks)
{
	enum { CNT = 300000 };
	struct built_row *rows = calloc(CNT, sizeof(*rows));

	for (u32 i = 0; i < CNT; i++)
		rows[i] = (struct built_row){0x1000 + 64 * (u64)i, RULE(8 + 8 * (i % 3))};
	u32 file = file_with(rows, CNT);
	for (u32 i = 0; i < CNT; i += 997)
		cr_assert_eq(rule_at(file, rows[i].address)->cfa_offset, 8 + 8 * (i % 3));
	for (u32 i = 0; i < memory.files[file].page_cnt; i++) {
		const struct unwind_page *page = &memory.pages[memory.files[file].page + i];

		cr_assert_eq(page->row / ROWS_PER_BLOCK, (page->row + page->cnt - 1) / ROWS_PER_BLOCK);
	}
	free(rows);
}

Test(table_store, when_full_it_says_so_and_the_coldest_makes_room)
{
	enum { CNT = 500000 };
	struct built_row *rows = calloc(CNT, sizeof(*rows));
	u32 files[64], cnt = 0, coldest;
	int err = 0;

	while (!err) {
		for (u32 i = 0; i < CNT; i++)
			rows[i] = (struct built_row){0x1000 + 64 * (u64)i + cnt, RULE(8)};
		struct unwind_table *table = built_table(rows, CNT);

		cr_assert_eq(table_store_add_file(store, &files[cnt]), 0);
		err = table_store_publish(store, files[cnt], table, cnt);
		if (err)
			cr_assert_not(table_store_will_fit(store, table));
		cnt += !err;
		unwind_table_free(table);
	}
	cr_assert_eq(err, -ENOSPC);
	cr_assert_geq(cnt, 7, "%u tables of 2 MB", cnt);

	/* The second was used since. */
	memory.files[files[0]].used = 1;
	table_store_tick(store, 1000);
	cr_assert(table_store_coldest(store, 1000, &coldest));
	cr_assert_eq(coldest, files[1]);
	cr_assert_not(table_store_coldest(store, 0, &coldest), "none was that cold");
	table_store_withdraw(store, files[1], 2000);

	struct unwind_table *table = built_table(rows, CNT);
	cr_assert(table_store_will_fit(store, table), "once it has rested");
	cr_assert_eq(table_store_publish(store, files[cnt], table, 2000), -ENOSPC);
	table_store_tick(store, 2000 + REST_NS);
	cr_assert_eq(table_store_publish(store, files[cnt], table, 2000 + REST_NS), 0);
	unwind_table_free(table);
	free(rows);
}

/* It would find no row for an address that has one, and remember that. */
Test(table_store, a_walk_that_saw_the_table_before_it_was_withdrawn_still_finds_its_rows)
{
	u32 file = file_with(small, 3);
	const struct unwind_file seen = memory.files[file];

	table_store_withdraw(store, file, 0);
	cr_assert_eq(memory.files[file].flags, 0);
	cr_assert_eq(memory.files[file].first, seen.first);
	cr_assert_eq(memory.files[file].page, seen.page);
	cr_assert_eq(memory.files[file].page_cnt, seen.page_cnt);
	cr_assert_neq(memory.pages[seen.page].cnt, 0);
}

Test(table_store, only_rows_and_pages_that_were_left_rest)
{
	u32 file = file_with(small, 3);

	cr_assert_not(table_store_is_resting(store));
	table_store_withdraw(store, file, 1000);
	cr_assert(table_store_is_resting(store));
	table_store_tick(store, 1000 + REST_NS);
	cr_assert_not(table_store_is_resting(store));
}

Test(table_store, one_file_cannot_use_up_the_rules_of_all)
{
	const struct built_row other[] = {{0x5000, {.cfa = UNWIND_CFA(UNWIND_REGISTER, 6), .cfa_offset = 7}}};

	struct built_row *rows = calloc(MAX_UNWIND_RULES + 10, sizeof(*rows));

	for (u32 i = 0; i < MAX_UNWIND_RULES + 10; i++)
		rows[i] = (struct built_row){0x10000 + 16 * (u64)i, RULE(8 * (s32)i)};
	u32 file = file_with(rows, MAX_UNWIND_RULES + 10);
	cr_assert_eq(rule_at(file, rows[100].address)->cfa_offset, 800);
	cr_assert_eq(rule_at(file, rows[MAX_UNWIND_RULES + 5].address)->cfa, UNWIND_UNSUPPORTED);
	cr_assert_eq(rule_at(file_with(other, 1), 0x5000)->cfa_offset, 7);
	free(rows);
}

Test(table_store, numbers_of_dropped_files_are_used_again)
{
	u32 file = file_with(small, 3), next;

	table_store_drop_file(store, file, 0);
	cr_assert_eq(table_store_add_file(store, &next), 0);
	cr_assert_eq(next, file);
	cr_assert_not(table_store_is_published(store, next));
	for (u32 i = UNWIND_FILES_FIXED + 1; i < MAX_UNWIND_FILES; i++)
		cr_assert_eq(table_store_add_file(store, &next), 0);
	cr_assert_eq(table_store_add_file(store, &next), -ENOSPC);
}

Test(table_store, mappings_carry_the_id_of_their_time)
{
	struct unwind_mapping mappings[3] = {{.start = 1, .end = 2}, {.start = 3, .end = 4}, {.start = 5, .end = 6}};
	u32 first, id, other_first, other_id;

	cr_assert_eq(table_store_add_mappings(store, mappings, 3, &first, &id), 0);
	cr_assert_neq(id, 0);
	cr_assert_eq(table_store_add_mappings(store, mappings, 3, &other_first, &other_id), 0);
	cr_assert_neq(id, other_id);
	cr_assert_eq(memory.mappings[first + 2].start, 5);
	cr_assert_eq(memory.mappings[first + 2].id, id);
	table_store_drop_mappings(store, first, 3, 0);
	cr_assert_eq(memory.mappings[first].id, id, "at rest, but not touched");
}
