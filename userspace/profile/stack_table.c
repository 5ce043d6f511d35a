/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/stack_table.h"

#include <errno.h>

#include "base/array.h"
#include "profile/id_index.h"

/* 8 bytes each and 16 of index; a host that shows more distinct stacks than this is not being counted but recorded. */
#define STACK_TABLE_MAX (4u << 20)

struct stack_node {
	u32 parent, frame;
};

struct stack_table {
	struct stack_node *at;
	u32 cnt, capacity;
	struct id_index index;
};

int stack_table_new(struct stack_table **ret)
{
	_cleanup_(stack_table) struct stack_table *table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	table->at = array_room(NULL, &table->capacity, 0, sizeof(*table->at));
	if (!table->at)
		return -ENOMEM;
	/* The empty stack: its own parent, and nobody's child, so it is not in the index. */
	table->at[STACK_ROOT] = (struct stack_node){.parent = STACK_ROOT};
	table->cnt = 1;

	*ret = take(table);
	return 0;
}

void stack_table_free(struct stack_table *table)
{
	if (!table)
		return;
	id_index_deinit(&table->index);
	free(table->at);
	free(table);
}

static int stack_table_add(struct stack_table *table, struct stack_node node, u64 hash, u32 *ret)
{
	if (table->cnt >= STACK_TABLE_MAX)
		return -ENOSPC;

	struct stack_node *at = array_room(table->at, &table->capacity, table->cnt, sizeof(*at));
	if (!at)
		return -ENOMEM;
	table->at = at;

	int err = id_index_add(&table->index, hash, table->cnt);
	if (err)
		return err;
	at[table->cnt] = node;
	*ret = table->cnt++;
	return 0;
}

int stack_table_push(struct stack_table *table, u32 parent, u32 frame, u32 *ret)
{
	u64 hash = id_hash(parent, frame);
	u32 at = id_index_start(&table->index, hash), id;

	while (id_index_next(&table->index, hash, &at, &id)) {
		if (table->at[id].parent == parent && table->at[id].frame == frame) {
			*ret = id;
			return 0;
		}
	}
	return stack_table_add(table, (struct stack_node){.parent = parent, .frame = frame}, hash, ret);
}

u32 stack_table_parent(const struct stack_table *table, u32 id)
{
	return table->at[id].parent;
}

u32 stack_table_frame(const struct stack_table *table, u32 id)
{
	return table->at[id].frame;
}

u32 stack_table_cnt(const struct stack_table *table)
{
	return table->cnt;
}

size_t stack_table_bytes(const struct stack_table *table)
{
	return table->capacity * sizeof(*table->at) + id_index_bytes(&table->index);
}
