/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "unwind/table_store.h"

#include <errno.h>
#include <string.h>
#include <uthash.h>

#include "unwind/extents.h"

/* So many rows of neighbouring pages are kept together, if they can be: few extents, yet little that does not fit. */
#define ROWS_TOGETHER 16384

/* Of one table: most have 300 to 600 rules, nearly all of which are known. One made-up file must not use up all numbers. */
#define NEW_RULES_MAX 1024

/* One table, for all files that have an equal one. */
struct stored_table {
	u64 key[2];
	u32 refs;
	u64 first;
	bool frame_pointers;
	struct extent pages;
	struct extent *rows;
	u32 rows_cnt; /* of extents */
	UT_hash_handle hh;
};

struct stored_rule {
	struct unwind_rule rule;
	u32 index;
	UT_hash_handle hh;
};

struct stored_file {
	struct stored_table *table; /* NULL: none published */
	u64 used_ns;
	u32 next_free; /* while it is no file */
	bool is_file;
};

struct table_store {
	struct unwind_memory memory;
	struct extents *mappings, *pages, *rows;
	struct stored_table *tables;
	struct stored_rule *rules;
	u32 rule_cnt;
	u32 unsupported; /* index of the rule that says so */
	u32 mappings_id;
	u32 file_cnt, free_file; /* those beyond file_cnt were never used */
	u32 row_cnt;
	bool opened[MAX_UNWIND_ROW_BLOCKS];
	struct stored_file files[MAX_UNWIND_FILES];
};

/* No rule gets a number of max or more. */
static int rule_add(struct table_store *s, const struct unwind_rule *rule, u32 max, u32 *ret)
{
	struct stored_rule *known;

	HASH_FIND(hh, s->rules, rule, sizeof(*rule), known);
	if (known) {
		*ret = known->index;
		return 0;
	}
	if (s->rule_cnt >= max || s->rule_cnt == MAX_UNWIND_RULES) {
		*ret = s->unsupported;
		return 0;
	}
	known = calloc(1, sizeof(*known));
	if (!known)
		return -ENOMEM;
	known->rule = *rule;
	known->index = s->rule_cnt;
	HASH_ADD(hh, s->rules, rule, sizeof(known->rule), known);
	s->memory.rules[s->rule_cnt] = *rule;
	*ret = s->rule_cnt++;
	return 0;
}

int table_store_new(const struct unwind_memory *memory, struct table_store **ret)
{
	_cleanup_(table_store) struct table_store *s = calloc(1, sizeof(*s));
	const struct unwind_rule none = {.cfa = UNWIND_NONE}, unsupported = {.cfa = UNWIND_UNSUPPORTED};
	u32 index;

	if (!s)
		return -ENOMEM;
	s->memory = *memory;
	s->file_cnt = UNWIND_FILES_FIXED;
	memory->files[UNWIND_FILE_ANONYMOUS].flags = UNWIND_FILE_BUILT | UNWIND_FILE_FRAME_POINTERS;
	memory->files[UNWIND_FILE_UNREADABLE].flags = UNWIND_FILE_BUILT;
	memory->files[UNWIND_FILE_PERF_TRAMPOLINES].flags = UNWIND_FILE_BUILT | UNWIND_FILE_TRAMPOLINES;

	int err = extents_new(MAX_UNWIND_MAPPINGS, MAPPINGS_PER_BLOCK, &s->mappings);
	if (!err)
		err = extents_new(MAX_UNWIND_PAGES, 0, &s->pages);
	if (!err)
		err = extents_new(MAX_UNWIND_ROWS, ROWS_PER_BLOCK, &s->rows);
	if (!err)
		err = rule_add(s, &none, MAX_UNWIND_RULES, &index);
	if (!err)
		err = rule_add(s, &unsupported, MAX_UNWIND_RULES, &s->unsupported);
	if (err)
		return err;
	*ret = take(s);
	return 0;
}

static void stored_table_free(struct table_store *s, struct stored_table *table)
{
	HASH_DEL(s->tables, table);
	free(table->rows);
	free(table);
}

void table_store_free(struct table_store *s)
{
	struct stored_table *table, *next_table;
	struct stored_rule *rule, *next_rule;

	if (!s)
		return;
	HASH_ITER(hh, s->tables, table, next_table)
	stored_table_free(s, table);
	HASH_ITER(hh, s->rules, rule, next_rule)
	{
		HASH_DEL(s->rules, rule);
		free(rule);
	}
	extents_free(s->mappings);
	extents_free(s->pages);
	extents_free(s->rows);
	free(s);
}

/* ---- files */

int table_store_add_file(struct table_store *s, u32 *ret)
{
	u32 file = s->free_file;

	if (file)
		s->free_file = s->files[file].next_free;
	else if (s->file_cnt < MAX_UNWIND_FILES)
		file = s->file_cnt++;
	else
		return -ENOSPC;
	s->files[file] = (struct stored_file){.is_file = true};
	*ret = file;
	return 0;
}

void table_store_drop_file(struct table_store *s, u32 file, u64 now_ns)
{
	table_store_withdraw(s, file, now_ns);
	s->files[file] = (struct stored_file){.next_free = s->free_file};
	s->free_file = file;
}

/* ---- tables */

/* Pages from *page on that are kept together: at least one, and as many as fit. */
static u32 pages_together(const struct unwind_table *table, u32 page, u32 *ret_rows)
{
	u32 first = page, rows = 0;

	while (page < table->page_cnt && (page == first || rows + table->pages[page].cnt <= ROWS_TOGETHER))
		rows += table->pages[page++].cnt;
	*ret_rows = rows;
	return page - first;
}

static int rows_take(struct table_store *s, u32 cnt, struct extent *ret)
{
	int err = extents_take(s->rows, cnt, ret);
	if (err)
		return err;

	u32 block = ret->first / ROWS_PER_BLOCK;
	if (!s->opened[block] && s->memory.open_rows)
		err = s->memory.open_rows(&s->memory, block);
	s->opened[block] = !err;
	if (err)
		extents_leave(s->rows, *ret, 0);
	return err;
}

static void rows_leave(struct table_store *s, struct stored_table *stored, u64 now_ns)
{
	for (u32 i = 0; i < stored->rows_cnt; i++) {
		s->row_cnt -= stored->rows[i].cnt;
		extents_leave(s->rows, stored->rows[i], now_ns);
	}
	if (stored->pages.cnt)
		extents_leave(s->pages, stored->pages, now_ns);
}

/* Copies rows and pages to where they will be read. What was taken is noted in *stored, also when this fails. */
static int table_write(struct table_store *s, const struct unwind_table *table, const u32 *rules,
		       struct stored_table *stored)
{
	int err = table->page_cnt ? extents_take(s->pages, table->page_cnt, &stored->pages) : 0;

	for (u32 page = 0, cnt = 0, row_cnt; !err && page < table->page_cnt; page += cnt) {
		struct extent extent = {0};

		cnt = pages_together(table, page, &row_cnt);
		if (row_cnt) {
			err = rows_take(s, row_cnt, &extent);
			if (err)
				break;
			stored->rows[stored->rows_cnt++] = extent;
			s->row_cnt += row_cnt;
		}
		for (u32 i = page, row = extent.first; i < page + cnt; i++) {
			const struct unwind_page *from = &table->pages[i];

			for (u32 k = 0; k < from->cnt; k++) {
				const struct unwind_row *each = &table->rows[from->row + k];

				s->memory.rows[row + k] = (struct unwind_row){each->pc, rules[each->rule]};
			}
			s->memory.pages[stored->pages.first + i] = (struct unwind_page){row, from->cnt};
			row += from->cnt;
		}
	}
	return err;
}

static int table_add(struct table_store *s, const struct unwind_table *table, u64 now_ns, struct stored_table **ret)
{
	_cleanup_(free) struct stored_table *stored = calloc(1, sizeof(*stored));
	_cleanup_(free) struct extent *rows = calloc(table->page_cnt + 1, sizeof(*rows));
	_cleanup_(free) u32 *rules = calloc(table->rule_cnt + 1, sizeof(*rules));

	if (!stored || !rows || !rules)
		return -ENOMEM;
	u32 max = s->rule_cnt + NEW_RULES_MAX;
	for (u32 i = 0; i < table->rule_cnt; i++) {
		int err = rule_add(s, &table->rules[i], max, &rules[i]);
		if (err)
			return err;
	}
	memcpy(stored->key, table->key, sizeof(stored->key));
	stored->first = table->first;
	stored->frame_pointers = table->frame_pointers;
	stored->rows = rows;
	int err = table_write(s, table, rules, stored);
	if (err) {
		rows_leave(s, stored, now_ns);
		return err;
	}
	stored->rows = take(rows);
	HASH_ADD(hh, s->tables, key, sizeof(stored->key), stored);
	*ret = take(stored);
	return 0;
}

int table_store_publish(struct table_store *s, u32 file, const struct unwind_table *table, u64 now_ns)
{
	struct unwind_file *at = &s->memory.files[file];
	struct stored_table *stored;

	if (s->files[file].table)
		return 0;
	HASH_FIND(hh, s->tables, table->key, sizeof(table->key), stored);
	if (!stored) {
		int err = table_add(s, table, now_ns, &stored);
		if (err)
			return err;
	}
	stored->refs++;
	s->files[file].table = stored;
	s->files[file].used_ns = now_ns;
	at->first = stored->first;
	at->page = stored->pages.first;
	at->page_cnt = stored->pages.cnt;
	at->used = 0;
	__atomic_store_n(&at->flags, UNWIND_FILE_BUILT | (stored->frame_pointers ? UNWIND_FILE_FRAME_POINTERS : 0),
			 __ATOMIC_RELEASE);
	return 0;
}

void table_store_withdraw(struct table_store *s, u32 file, u64 now_ns)
{
	struct stored_table *stored = s->files[file].table;

	if (!stored)
		return;
	/* The rest stays for a walk that has seen the flags: it would keep "no rule" in its cache. */
	__atomic_store_n(&s->memory.files[file].flags, 0, __ATOMIC_RELEASE);
	s->files[file].table = NULL;
	if (--stored->refs)
		return;
	rows_leave(s, stored, now_ns);
	stored_table_free(s, stored);
}

bool table_store_is_published(const struct table_store *s, u32 file)
{
	return s->files[file].table;
}

bool table_store_coldest(const struct table_store *s, u64 before_ns, u32 *ret)
{
	bool found = false;

	for (u32 i = 0; i < s->file_cnt; i++) {
		const struct stored_file *file = &s->files[i];

		if (!file->table || file->used_ns >= before_ns || (found && file->used_ns >= s->files[*ret].used_ns))
			continue;
		*ret = i;
		found = true;
	}
	return found;
}

/* Holes have unknown sizes: a quarter more than is needed will do, for few tables are large. */
bool table_store_will_fit(const struct table_store *s, const struct unwind_table *table)
{
	u64 rows = (u64)extents_free_cnt(s->rows) + extents_resting(s->rows);
	u64 pages = (u64)extents_free_cnt(s->pages) + extents_resting(s->pages);

	return rows >= table->row_cnt + table->row_cnt / 4 && pages >= table->page_cnt + table->page_cnt / 4;
}

bool table_store_is_too_small(const struct unwind_table *table)
{
	return table->row_cnt + table->row_cnt / 4 > MAX_UNWIND_ROWS ||
	       table->page_cnt + table->page_cnt / 4 > MAX_UNWIND_PAGES;
}

bool table_store_is_resting(const struct table_store *s)
{
	return extents_resting(s->rows) || extents_resting(s->pages);
}

/* ---- mappings */

int table_store_add_mappings(struct table_store *s, struct unwind_mapping *mappings, u32 cnt, u32 *ret_first,
			     u32 *ret_id)
{
	struct extent extent;

	int err = extents_take(s->mappings, cnt, &extent);
	if (err)
		return err;
	if (!++s->mappings_id)
		s->mappings_id = 1;
	for (u32 i = 0; i < cnt; i++)
		mappings[i].id = s->mappings_id;
	memcpy(&s->memory.mappings[extent.first], mappings, cnt * sizeof(*mappings));
	*ret_first = extent.first;
	*ret_id = s->mappings_id;
	return 0;
}

void table_store_drop_mappings(struct table_store *s, u32 first, u32 cnt, u64 now_ns)
{
	extents_leave(s->mappings, (struct extent){first, cnt}, now_ns);
}

void table_store_tick(struct table_store *s, u64 now_ns)
{
	for (u32 i = 0; i < s->file_cnt; i++) {
		if (!s->memory.files[i].used)
			continue;
		s->memory.files[i].used = 0;
		s->files[i].used_ns = now_ns;
	}
	extents_settle(s->mappings, now_ns);
	extents_settle(s->pages, now_ns);
	extents_settle(s->rows, now_ns);
}

u32 table_store_row_cnt(const struct table_store *s)
{
	return s->row_cnt;
}
