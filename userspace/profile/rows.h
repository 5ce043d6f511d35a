/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rows.h - rows of one size that are found by the hash of what they say: what the
 * interning tables are made of. A row's id is its place; it is never removed alone.
 *
 *	u32 at = id_index_start(&rows->index, hash), id;
 *	while (id_index_next(&rows->index, hash, &at, &id))
 *		if (row id says the same)
 *			...
 */
#ifndef PYPROF_ROWS_H
#define PYPROF_ROWS_H

#include <stddef.h>

#include "profile/id_index.h"
#include "pyprof/types.h"

struct rows {
	void *at; /* an array of the owner's type; it moves when it grows */
	u32 cnt, capacity;
	struct id_index index;
};

/* Copies the row of size bytes to the end. -ENOSPC at max rows, -ENOMEM; then all is as it was. ret may be NULL. */
int rows_add(struct rows *rows, const void *row, size_t size, u32 max, u64 hash, u32 *ret);
/* The same for a row that is found by its id alone. */
int rows_push(struct rows *rows, const void *row, size_t size, u32 max, u32 *ret);
/* Forgets the rows, keeps the memory. */
void rows_clear(struct rows *rows);
void rows_deinit(struct rows *rows);
size_t rows_bytes(const struct rows *rows, size_t size);

#endif
