/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/part_table.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "profile/id_index.h"

#define PART_MAX      (1u << 20)
#define KNOWN_MAX     (2u << 20)
#define PART_ITEM_MAX (16u << 20) /* of all parts together */
#define JOIN_MAX      (4u << 20)

struct join {
	struct seam seam;
	u32 stack;
};

struct part_table {
	struct known_part *known;
	u32 known_cnt, known_capacity;
	struct id_index by_id;

	struct part *parts;
	u32 part_cnt, part_capacity;
	struct id_index by_items;

	u32 *items;
	u32 item_cnt, item_capacity;

	struct join *joins;
	u32 join_cnt, join_capacity;
	struct id_index by_seam;
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
	id_index_deinit(&table->by_id);
	id_index_deinit(&table->by_items);
	id_index_deinit(&table->by_seam);
	free(table->known);
	free(table->parts);
	free(table->items);
	free(table->joins);
	free(table);
}

/* ---- by id */

const struct known_part *part_table_find(const struct part_table *table, u64 id)
{
	u32 at = id_index_start(&table->by_id, id), i;

	while (id_index_next(&table->by_id, id, &at, &i)) {
		if (table->known[i].id == id)
			return &table->known[i];
	}
	return NULL;
}

int part_table_add(struct part_table *table, const struct known_part *known)
{
	if (table->known_cnt == KNOWN_MAX)
		return -ENOSPC;

	struct known_part *at = array_room(table->known, &table->known_capacity, table->known_cnt, sizeof(*at));
	if (!at)
		return -ENOMEM;
	table->known = at;
	int err = id_index_add(&table->by_id, known->id, table->known_cnt);
	if (err)
		return err;
	at[table->known_cnt++] = *known;
	return 0;
}

/* ---- by content */

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

static int part_make(struct part_table *table, const u32 *items, size_t cnt, u32 losses, u64 hash)
{
	struct part part = {.first = table->item_cnt, .cnt = cnt, .losses = losses};

	if (table->part_cnt == PART_MAX)
		return -ENOSPC;
	int err = items_reserve(table, cnt);
	if (err)
		return err;
	struct part *parts = array_room(table->parts, &table->part_capacity, table->part_cnt, sizeof(*parts));
	if (!parts)
		return -ENOMEM;
	table->parts = parts;
	err = id_index_add(&table->by_items, hash, table->part_cnt);
	if (err)
		return err;

	for (size_t i = 0; i < cnt; i++) {
		if (items[i] == ITEM_PYTHON)
			part.run_cnt = RUNS_ALL;
		part.run_cnt += items[i] == ITEM_RUN;
		if (items[i] == ITEM_LEAF)
			part.leaf = i + 1 == cnt ? LEAF_INNERMOST : LEAF_INSIDE;
	}
	if (cnt)
		memcpy(table->items + table->item_cnt, items, cnt * sizeof(*items));
	table->item_cnt += cnt;
	parts[table->part_cnt++] = part;
	return 0;
}

int part_table_intern(struct part_table *table, const u32 *items, size_t cnt, u32 losses, u32 *ret)
{
	u64 hash = id_hash(cnt, losses);
	for (size_t i = 0; i < cnt; i++)
		hash = id_hash(hash, items[i]);
	u32 at = id_index_start(&table->by_items, hash), i;

	while (id_index_next(&table->by_items, hash, &at, &i)) {
		const struct part *part = &table->parts[i];

		if (part->cnt == cnt && part->losses == losses &&
		    (!cnt || !memcmp(table->items + part->first, items, cnt * sizeof(*items)))) {
			*ret = i;
			return 0;
		}
	}
	int err = part_make(table, items, cnt, losses, hash);
	if (!err)
		*ret = table->part_cnt - 1;
	return err;
}

const struct part *part_table_at(const struct part_table *table, u32 part)
{
	return &table->parts[part];
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
	const struct part *p = &j->table->parts[part];

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
	const struct part *part = &j->table->parts[seam->native];
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
		const struct part *python = &table->parts[seam->python];

		j.python = table->items + python->first;
		j.python_end = j.python + python->cnt;
		runs = python->run_cnt;
	}
	if (seam->native != PART_NONE)
		places = table->parts[seam->native].run_cnt;

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
	if (table->join_cnt == JOIN_MAX) {
		id_index_clear(&table->by_seam);
		table->join_cnt = 0;
	}
	struct join *joins = array_room(table->joins, &table->join_capacity, table->join_cnt, sizeof(*joins));
	if (!joins)
		return;
	table->joins = joins;
	if (!id_index_add(&table->by_seam, hash, table->join_cnt))
		joins[table->join_cnt++] = (struct join){*seam, stack};
}

int part_table_join(struct part_table *table, struct stack_table *stacks, const struct seam *seam, u32 *ret)
{
	u64 hash = id_hash((u64)seam->prefix << 32 | seam->python, (u64)seam->native << 32 | seam->leaf);
	u32 at = id_index_start(&table->by_seam, hash), i, stack;

	while (id_index_next(&table->by_seam, hash, &at, &i)) {
		if (seam_same(&table->joins[i].seam, seam)) {
			*ret = table->joins[i].stack;
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
	id_index_clear(&table->by_id);
	id_index_clear(&table->by_items);
	id_index_clear(&table->by_seam);
	table->known_cnt = table->part_cnt = table->item_cnt = table->join_cnt = 0;
}

size_t part_table_bytes(const struct part_table *table)
{
	return table->known_capacity * sizeof(*table->known) + table->part_capacity * sizeof(*table->parts) +
	       table->item_capacity * sizeof(*table->items) + table->join_capacity * sizeof(*table->joins) +
	       id_index_bytes(&table->by_id) + id_index_bytes(&table->by_items) + id_index_bytes(&table->by_seam);
}
