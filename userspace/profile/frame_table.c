/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/frame_table.h"

#include <errno.h>

#include "profile/rows.h"

/* More than any host's code: a program that makes code without end stops here. */
#define FRAME_TABLE_MAX (1u << 20)

struct frame_table {
	struct rows rows; /* struct frame */
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
	rows_deinit(&table->rows);
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

int frame_table_intern(struct frame_table *table, const struct frame *key, u32 *ret, bool *ret_new)
{
	u64 hash = frame_hash(key);
	u32 at = id_index_start(&table->rows.index, hash), id;

	while (id_index_next(&table->rows.index, hash, &at, &id)) {
		if (frame_same_key(frame_table_get(table, id), key)) {
			*ret = id;
			if (ret_new)
				*ret_new = false;
			return 0;
		}
	}

	int err = rows_add(&table->rows, key, sizeof(*key), FRAME_TABLE_MAX, hash, ret);
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
	return (struct frame *)table->rows.at + id;
}

const struct frame *frame_table_get(const struct frame_table *table, u32 id)
{
	return (const struct frame *)table->rows.at + id;
}

u32 frame_table_cnt(const struct frame_table *table)
{
	return table->rows.cnt;
}

size_t frame_table_bytes(const struct frame_table *table)
{
	return rows_bytes(&table->rows, sizeof(struct frame));
}
