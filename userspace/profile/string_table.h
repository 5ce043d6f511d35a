/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * string_table.h - a string once, by id. Strings are cleaned as they come in
 * (valid UTF-8, no control characters: strbuf_put_clean), so that nothing later has to.
 */
#ifndef PYPROF_STRING_TABLE_H
#define PYPROF_STRING_TABLE_H

#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/types.h"

#define STRING_EMPTY 0 /* id of "" */

struct string_table;

int string_table_new(struct string_table **ret);
void string_table_free(struct string_table *table);
DEFINE_CLEANUP(string_table, struct string_table *, string_table_free)

/* -ENOMEM, -ENOSPC when the table's bound is reached. */
int string_table_intern(struct string_table *table, const char *text, u32 *ret);
u32 string_table_cnt(const struct string_table *table); /* ids are 0 to cnt - 1 */
/* Valid as long as the table. */
const char *string_table_at(const struct string_table *table, u32 id);
size_t string_table_bytes(const struct string_table *table);

#endif
