/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/file_table.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "profile/id_index.h"

/* More than a host maps: a program that makes libraries without end stops here. */
#define FILE_TABLE_MAX (1u << 16)

struct file_table {
	struct file_row *at;
	u32 cnt, capacity;
	struct id_index index;
};

int file_table_new(struct file_table **ret)
{
	_cleanup_(file_table) struct file_table *table = calloc(1, sizeof(*table));
	u32 none;

	if (!table)
		return -ENOMEM;
	int err = file_table_intern(table, &(struct file_row){0}, &none);
	if (err)
		return err;
	*ret = take(table);
	return 0;
}

void file_table_free(struct file_table *table)
{
	if (!table)
		return;
	id_index_deinit(&table->index);
	free(table->at);
	free(table);
}

static int file_table_add(struct file_table *table, const struct file_row *row, u64 hash, u32 *ret)
{
	if (table->cnt >= FILE_TABLE_MAX)
		return -ENOSPC;

	struct file_row *at = array_room(table->at, &table->capacity, table->cnt, sizeof(*at));
	if (!at)
		return -ENOMEM;
	table->at = at;

	int err = id_index_add(&table->index, hash, table->cnt);
	if (err)
		return err;
	at[table->cnt] = *row;
	*ret = table->cnt++;
	return 0;
}

int file_table_intern(struct file_table *table, const struct file_row *row, u32 *ret)
{
	u64 hash = id_hash(row->path, row->build_id);
	u32 at = id_index_start(&table->index, hash), id;

	while (id_index_next(&table->index, hash, &at, &id)) {
		if (table->at[id].path == row->path && table->at[id].build_id == row->build_id) {
			*ret = id;
			return 0;
		}
	}
	return file_table_add(table, row, hash, ret);
}

u32 file_table_cnt(const struct file_table *table)
{
	return table->cnt;
}

const struct file_row *file_table_at(const struct file_table *table, u32 id)
{
	return &table->at[id];
}
