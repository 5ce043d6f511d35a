/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

int rows_push(struct rows *rows, const void *row, size_t size, u32 max, u32 *ret)
{
	if (rows->cnt >= max)
		return -ENOSPC;

	void *at = array_room(rows->at, &rows->capacity, rows->cnt, size);
	if (!at)
		return -ENOMEM;
	rows->at = at;
	memcpy((char *)at + rows->cnt * size, row, size);
	if (ret)
		*ret = rows->cnt;
	rows->cnt++;
	return 0;
}

int rows_add(struct rows *rows, const void *row, size_t size, u32 max, u64 hash, u32 *ret)
{
	int err = rows_push(rows, row, size, max, ret);

	if (!err && (err = id_index_add(&rows->index, hash, rows->cnt - 1)))
		rows->cnt--;
	return err;
}

void rows_clear(struct rows *rows)
{
	id_index_clear(&rows->index);
	rows->cnt = 0;
}

void rows_deinit(struct rows *rows)
{
	id_index_deinit(&rows->index);
	free(rows->at);
	*rows = (struct rows){0};
}

size_t rows_bytes(const struct rows *rows, size_t size)
{
	return rows->capacity * size + id_index_bytes(&rows->index);
}
