/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/file_table.h"

#include <errno.h>
#include <stdlib.h>

#include "profile/rows.h"

/* More than a host maps: a program that makes libraries without end stops here. */
#define FILE_TABLE_MAX (1u << 16)

struct file_table {
	struct rows rows; /* struct file_row */
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
	rows_deinit(&table->rows);
	free(table);
}

int file_table_intern(struct file_table *table, const struct file_row *row, u32 *ret)
{
	u64 hash = id_hash(row->path, row->build_id);
	u32 at = id_index_start(&table->rows.index, hash), id;

	while (id_index_next(&table->rows.index, hash, &at, &id)) {
		const struct file_row *known = file_table_at(table, id);

		if (known->path == row->path && known->build_id == row->build_id) {
			*ret = id;
			return 0;
		}
	}
	return rows_add(&table->rows, row, sizeof(*row), FILE_TABLE_MAX, hash, ret);
}

u32 file_table_cnt(const struct file_table *table)
{
	return table->rows.cnt;
}

const struct file_row *file_table_at(const struct file_table *table, u32 id)
{
	return (const struct file_row *)table->rows.at + id;
}
