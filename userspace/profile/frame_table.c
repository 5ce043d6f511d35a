/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/frame_table.h"

#include <errno.h>

#include "base/array.h"
#include "profile/id_index.h"

/* More than any host's code: a program that makes code without end stops here. */
#define FRAME_TABLE_MAX (1u << 20)

struct frame_table {
	struct frame *at;
	u32 cnt, capacity;
	struct id_index index;
};

int frame_table_new(struct frame_table **ret)
{
	struct frame_table *table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	*ret = table;
	return 0;
}

void frame_table_free(struct frame_table *table)
{
	if (!table)
		return;
	id_index_deinit(&table->index);
	free(table->at);
	free(table);
}

static u64 frame_hash(const struct frame *frame)
{
	u64 what = (u64)frame->scope << 32 | (u64)frame->loss << 8 | frame->kind;

	return id_hash(id_hash(what, frame->address), frame->detail);
}

static bool frame_same_key(const struct frame *a, const struct frame *b)
{
	return a->address == b->address && a->detail == b->detail && a->scope == b->scope && a->kind == b->kind &&
	       a->loss == b->loss;
}

static int frame_table_add(struct frame_table *table, const struct frame *key, u64 hash, u32 *ret)
{
	if (table->cnt >= FRAME_TABLE_MAX)
		return -ENOSPC;

	struct frame *at = array_room(table->at, &table->capacity, table->cnt, sizeof(*at));
	if (!at)
		return -ENOMEM;
	table->at = at;

	int err = id_index_add(&table->index, hash, table->cnt);
	if (err)
		return err;
	at[table->cnt] = *key;
	*ret = table->cnt++;
	return 0;
}

int frame_table_intern(struct frame_table *table, const struct frame *key, u32 *ret, bool *ret_new)
{
	u64 hash = frame_hash(key);
	u32 at = id_index_start(&table->index, hash), id;

	while (id_index_next(&table->index, hash, &at, &id)) {
		if (frame_same_key(&table->at[id], key)) {
			*ret = id;
			if (ret_new)
				*ret_new = false;
			return 0;
		}
	}

	int err = frame_table_add(table, key, hash, ret);
	if (!err && ret_new)
		*ret_new = true;
	return err;
}

int frame_table_loss(struct frame_table *table, enum loss loss, u32 *ret)
{
	return frame_table_intern(table, &(struct frame){.kind = FRAME_LOSS, .loss = loss, .named = true}, ret, NULL);
}

int frame_table_mark(struct frame_table *table, enum frame_mark mark, u32 *ret)
{
	return frame_table_intern(table, &(struct frame){.kind = FRAME_MARK, .mark = mark, .named = true}, ret, NULL);
}

struct frame *frame_table_at(struct frame_table *table, u32 id)
{
	return &table->at[id];
}

const struct frame *frame_table_get(const struct frame_table *table, u32 id)
{
	return &table->at[id];
}

u32 frame_table_cnt(const struct frame_table *table)
{
	return table->cnt;
}

size_t frame_table_bytes(const struct frame_table *table)
{
	return table->capacity * sizeof(*table->at) + id_index_bytes(&table->index);
}
