/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/part_table.h"

#include <errno.h>
#include <string.h>

#include "profile/id_index.h"

#define PART_MAX       (1u << 20)
#define PART_FRAME_MAX (16u << 20) /* of all parts together */
#define JOIN_MAX       (4u << 20)

struct join {
	u32 prefix, part;
	u32 stack;
};

struct part_table {
	struct part *parts;
	u64 *ids; /* of parts, beside them: a look-up touches no part but the right one */
	u32 part_cnt, part_capacity, id_capacity;
	struct id_index by_id;

	u32 *frames;
	u32 frame_cnt, frame_capacity;

	struct join *joins;
	u32 join_cnt, join_capacity;
	struct id_index by_pair;
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
	id_index_deinit(&table->by_pair);
	free(table->parts);
	free(table->ids);
	free(table->frames);
	free(table->joins);
	free(table);
}

int part_table_find(const struct part_table *table, u64 id, u32 *ret)
{
	u32 at = id_index_start(&table->by_id, id), part;

	while (id_index_next(&table->by_id, id, &at, &part)) {
		if (table->ids[part] == id) {
			*ret = part;
			return 0;
		}
	}
	return -ENOENT;
}

static int frames_reserve(struct part_table *table, size_t more)
{
	if (table->frame_cnt + more > PART_FRAME_MAX)
		return -ENOSPC;
	if (table->frame_cnt + more <= table->frame_capacity)
		return 0;

	size_t capacity = table->frame_capacity ? table->frame_capacity : 4096;
	while (capacity < table->frame_cnt + more)
		capacity *= 2;
	u32 *frames = realloc(table->frames, capacity * sizeof(*frames));
	if (!frames)
		return -ENOMEM;
	table->frames = frames;
	table->frame_capacity = capacity;
	return 0;
}

int part_table_add(struct part_table *table, u64 id, const u32 *frames, size_t cnt, u32 losses, u32 *ret)
{
	u32 part = table->part_cnt;

	if (part == PART_MAX)
		return -ENOSPC;
	int err = frames_reserve(table, cnt);
	if (err)
		return err;

	struct part *parts = array_room(table->parts, &table->part_capacity, part, sizeof(*parts));
	if (!parts)
		return -ENOMEM;
	table->parts = parts;
	u64 *ids = array_room(table->ids, &table->id_capacity, part, sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	table->ids = ids;
	err = id_index_add(&table->by_id, id, part);
	if (err)
		return err;

	parts[part] = (struct part){.first = table->frame_cnt, .cnt = cnt, .losses = losses};
	ids[part] = id;
	if (cnt)
		memcpy(table->frames + table->frame_cnt, frames, cnt * sizeof(*frames));
	table->frame_cnt += cnt;
	table->part_cnt++;
	*ret = part;
	return 0;
}

const struct part *part_table_at(const struct part_table *table, u32 part)
{
	return &table->parts[part];
}

static int stack_of(const struct part_table *table, struct stack_table *stacks, u32 prefix, u32 part, u32 *ret)
{
	const struct part *p = &table->parts[part];
	u32 stack = prefix;

	for (u32 i = 0; i < p->cnt; i++) {
		int err = stack_table_push(stacks, stack, table->frames[p->first + i], &stack);
		if (err)
			return err;
	}
	*ret = stack;
	return 0;
}

int part_table_join(struct part_table *table, struct stack_table *stacks, u32 prefix, u32 part, u32 *ret)
{
	u64 hash = id_hash(prefix, part);
	u32 at = id_index_start(&table->by_pair, hash), id;

	while (id_index_next(&table->by_pair, hash, &at, &id)) {
		const struct join *join = &table->joins[id];

		if (join->prefix == prefix && join->part == part) {
			*ret = join->stack;
			return 0;
		}
	}

	u32 stack;
	int err = stack_of(table, stacks, prefix, part, &stack);
	if (err)
		return err;

	/* Remembering is for speed alone: at the bound it begins anew. */
	if (table->join_cnt == JOIN_MAX) {
		id_index_clear(&table->by_pair);
		table->join_cnt = 0;
	}
	struct join *joins = array_room(table->joins, &table->join_capacity, table->join_cnt, sizeof(*joins));
	if (joins) {
		table->joins = joins;
		if (!id_index_add(&table->by_pair, hash, table->join_cnt))
			joins[table->join_cnt++] = (struct join){prefix, part, stack};
	}
	*ret = stack;
	return 0;
}

void part_table_clear(struct part_table *table)
{
	id_index_clear(&table->by_id);
	id_index_clear(&table->by_pair);
	table->part_cnt = table->frame_cnt = table->join_cnt = 0;
}

size_t part_table_bytes(const struct part_table *table)
{
	return table->part_capacity * sizeof(*table->parts) + table->id_capacity * sizeof(*table->ids) +
	       table->frame_capacity * sizeof(*table->frames) + table->join_capacity * sizeof(*table->joins) +
	       id_index_bytes(&table->by_id) + id_index_bytes(&table->by_pair);
}
