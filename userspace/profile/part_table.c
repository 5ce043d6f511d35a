/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/part_table.h"

#include <errno.h>
#include <string.h>

#include "profile/rows.h"

#define PART_MAX      (1u << 20)
#define KNOWN_MAX     (2u << 20)
#define PART_ITEM_MAX (16u << 20) /* of all parts together */
#define JOIN_MAX      (4u << 20)

struct join {
	struct seam seam;
	u32 stack;
};

struct part_table {
	struct rows known; /* struct known_part, by id */
	struct rows parts; /* struct part, by items */
	u32 *items;
	u32 item_cnt, item_capacity;
	struct rows joins; /* struct join, by seam */
};

int part_table_new(struct part_table **ret)
{
	struct part_table *table = calloc(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	*ret = table;
	return 0;
}

void part_table_free(struct part_table *table)
{
	if (!table)
		return;
	rows_deinit(&table->known);
	rows_deinit(&table->parts);
	rows_deinit(&table->joins);
	free(table->items);
	free(table);
}

/* ---- by id */

const struct known_part *part_table_find(const struct part_table *table, u64 id)
{
	const struct known_part *known = table->known.at;
	u32 at = id_index_start(&table->known.index, id), i;

	while (id_index_next(&table->known.index, id, &at, &i)) {
		if (known[i].id == id)
			return &known[i];
	}
	return NULL;
}

int part_table_add(struct part_table *table, const struct known_part *known)
{
	return rows_add(&table->known, known, sizeof(*known), KNOWN_MAX, known->id, NULL);
}

/* ---- by content */

const struct part *part_table_at(const struct part_table *table, u32 part)
{
	return (const struct part *)table->parts.at + part;
}

static int items_reserve(struct part_table *table, size_t more)
{
	if (table->item_cnt + more > PART_ITEM_MAX)
		return -ENOSPC;
	if (table->item_cnt + more <= table->item_capacity)
		return 0;

	size_t capacity = table->item_capacity ? table->item_capacity : 4096;
	while (capacity < table->item_cnt + more)
		capacity *= 2;
	u32 *items = realloc(table->items, capacity * sizeof(*items));
	if (!items)
		return -ENOMEM;
	table->items = items;
	table->item_capacity = capacity;
	return 0;
}

static int part_make(struct part_table *table, const u32 *items, size_t cnt, u32 losses, u64 hash, u32 *ret)
{
	struct part part = {.first = table->item_cnt, .cnt = cnt, .losses = losses};

	for (size_t i = 0; i < cnt; i++) {
		if (items[i] == ITEM_PYTHON)
			part.run_cnt = RUNS_ALL;
		part.run_cnt += items[i] == ITEM_RUN;
		if (items[i] == ITEM_LEAF)
			part.leaf = i + 1 == cnt ? LEAF_INNERMOST : LEAF_INSIDE;
	}
	int err = items_reserve(table, cnt);
	if (!err)
		err = rows_add(&table->parts, &part, sizeof(part), PART_MAX, hash, ret);
	if (err)
		return err;
	if (cnt)
		memcpy(table->items + table->item_cnt, items, cnt * sizeof(*items));
	table->item_cnt += cnt;
	return 0;
}

int part_table_intern(struct part_table *table, const u32 *items, size_t cnt, u32 losses, u32 *ret)
{
	u64 hash = id_hash(cnt, losses);
	for (size_t i = 0; i < cnt; i++)
		hash = id_hash(hash, items[i]);
	u32 at = id_index_start(&table->parts.index, hash), i;

	while (id_index_next(&table->parts.index, hash, &at, &i)) {
		const struct part *part = part_table_at(table, i);

		if (part->cnt == cnt && part->losses == losses &&
		    (!cnt || !memcmp(table->items + part->first, items, cnt * sizeof(*items)))) {
			*ret = i;
			return 0;
		}
	}
	return part_make(table, items, cnt, losses, hash, ret);
}

/* ---- put together */

/* A stack that grows inwards, and how far the Python part is in it already. */
struct joiner {
	const struct part_table *table;
	struct stack_table *stacks;
	const u32 *python, *python_end;
	u32 stack;
	int err;
};

static void joiner_push(struct joiner *j, u32 frame)
{
	if (!j->err)
		j->err = stack_table_push(j->stacks, j->stack, frame, &j->stack);
}

static void joiner_push_part(struct joiner *j, u32 part)
{
	if (part == PART_NONE)
		return;
	const struct part *p = part_table_at(j->table, part);

	for (u32 i = 0; i < p->cnt; i++)
		joiner_push(j, j->table->items[p->first + i]);
}

/* The next run; nothing when there is none left. */
static void joiner_push_run(struct joiner *j)
{
	if (j->python == j->python_end)
		return;
	for (j->python++; j->python != j->python_end && *j->python != ITEM_RUN; j->python++)
		joiner_push(j, *j->python);
}

static void joiner_push_runs(struct joiner *j)
{
	while (j->python != j->python_end)
		joiner_push_run(j);
}

static void joiner_push_native(struct joiner *j, const struct seam *seam, u32 without_run)
{
	const struct part *part = part_table_at(j->table, seam->native);
	const u32 *items = j->table->items + part->first;

	for (u32 i = 0; i < part->cnt; i++) {
		switch (items[i]) {
		case ITEM_RUN:
			if (without_run)
				without_run--;
			else
				joiner_push_run(j);
			break;
		case ITEM_LEAF:
			joiner_push_part(j, seam->leaf);
			break;
		case ITEM_PYTHON:
			i++;
			if (j->stack != seam->prefix && j->python != j->python_end)
				joiner_push(j, items[i]);
			joiner_push_runs(j);
			break;
		default:
			joiner_push(j, items[i]);
		}
	}
}

static int stack_of(const struct part_table *table, struct stack_table *stacks, const struct seam *seam, u32 *ret)
{
	struct joiner j = {.table = table, .stacks = stacks, .stack = seam->prefix};
	u32 runs = 0, places = 0;

	if (seam->python != PART_NONE) {
		const struct part *python = part_table_at(table, seam->python);

		j.python = table->items + python->first;
		j.python_end = j.python + python->cnt;
		runs = python->run_cnt;
	}
	if (seam->native != PART_NONE)
		places = part_table_at(table, seam->native)->run_cnt;

	for (u32 i = places; i < runs; i++)
		joiner_push_run(&j);
	if (seam->native != PART_NONE)
		joiner_push_native(&j, seam, places > runs ? places - runs : 0);
	else
		joiner_push_part(&j, seam->leaf);
	if (!j.err)
		*ret = j.stack;
	return j.err;
}

static bool seam_same(const struct seam *a, const struct seam *b)
{
	return a->prefix == b->prefix && a->python == b->python && a->native == b->native && a->leaf == b->leaf;
}

/* Remembering is for speed alone: at the bound it begins anew, and short memory is no failure. */
static void join_remember(struct part_table *table, const struct seam *seam, u64 hash, u32 stack)
{
	const struct join join = {*seam, stack};

	if (table->joins.cnt == JOIN_MAX)
		rows_clear(&table->joins);
	rows_add(&table->joins, &join, sizeof(join), JOIN_MAX, hash, NULL);
}

int part_table_join(struct part_table *table, struct stack_table *stacks, const struct seam *seam, u32 *ret)
{
	u64 hash = id_hash((u64)seam->prefix << 32 | seam->python, (u64)seam->native << 32 | seam->leaf);
	const struct join *joins = table->joins.at;
	u32 at = id_index_start(&table->joins.index, hash), i, stack;

	while (id_index_next(&table->joins.index, hash, &at, &i)) {
		if (seam_same(&joins[i].seam, seam)) {
			*ret = joins[i].stack;
			return 0;
		}
	}

	int err = stack_of(table, stacks, seam, &stack);
	if (err)
		return err;
	join_remember(table, seam, hash, stack);
	*ret = stack;
	return 0;
}

void part_table_clear(struct part_table *table)
{
	rows_clear(&table->known);
	rows_clear(&table->parts);
	rows_clear(&table->joins);
	table->item_cnt = 0;
}

size_t part_table_bytes(const struct part_table *table)
{
	return rows_bytes(&table->known, sizeof(struct known_part)) + rows_bytes(&table->parts, sizeof(struct part)) +
	       rows_bytes(&table->joins, sizeof(struct join)) + table->item_capacity * sizeof(*table->items);
}
