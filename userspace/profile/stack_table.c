/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/stack_table.h"

#include <errno.h>

#include "profile/rows.h"

/* 8 bytes each and 16 of index; a host that shows more distinct stacks than this is not being counted but recorded. */
#define STACK_TABLE_MAX (4u << 20)

struct stack_node {
	u32 parent, frame;
};

struct stack_table {
	struct rows rows; /* struct stack_node */
};

int stack_table_new(struct stack_table **ret)
{
	_cleanup_(stack_table) struct stack_table *table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;

	/* The empty stack: its own parent, and nobody's child, so it is not in the index. */
	const struct stack_node root = {.parent = STACK_ROOT};
	int err = rows_push(&table->rows, &root, sizeof(root), STACK_TABLE_MAX, NULL);
	if (err)
		return err;
	*ret = take(table);
	return 0;
}

void stack_table_free(struct stack_table *table)
{
	if (!table)
		return;
	rows_deinit(&table->rows);
	free(table);
}

static const struct stack_node *stack_node(const struct stack_table *table, u32 id)
{
	return (const struct stack_node *)table->rows.at + id;
}

int stack_table_push(struct stack_table *table, u32 parent, u32 frame, u32 *ret)
{
	u64 hash = id_hash(parent, frame);
	u32 at = id_index_start(&table->rows.index, hash), id;

	while (id_index_next(&table->rows.index, hash, &at, &id)) {
		if (stack_node(table, id)->parent == parent && stack_node(table, id)->frame == frame) {
			*ret = id;
			return 0;
		}
	}
	const struct stack_node node = {.parent = parent, .frame = frame};
	return rows_add(&table->rows, &node, sizeof(node), STACK_TABLE_MAX, hash, ret);
}

u32 stack_table_parent(const struct stack_table *table, u32 id)
{
	return stack_node(table, id)->parent;
}

u32 stack_table_frame(const struct stack_table *table, u32 id)
{
	return stack_node(table, id)->frame;
}

u32 stack_table_cnt(const struct stack_table *table)
{
	return table->rows.cnt;
}

size_t stack_table_bytes(const struct stack_table *table)
{
	return rows_bytes(&table->rows, sizeof(struct stack_node));
}
