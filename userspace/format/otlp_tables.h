/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * otlp_tables.h - the dictionary of an OTLP message: each row once, each used, and
 * the first row of each table empty. Made from the tables of dictionary.h.
 */
#ifndef PYPROF_OTLP_TABLES_H
#define PYPROF_OTLP_TABLES_H

#include "format/dictionary.h"
#include "proto/otlp.pb-c.h"

/* Memory that lives as long as the message. */
struct otlp_block {
	struct otlp_block *next;
	max_align_t bytes[];
};

/* A row of attribute_table: whose value is either of both. */
struct otlp_attribute {
	const char *key; /* identity: keys come from tables */
	u32 text; /* string id in `strings` */
	u64 number;
};

struct otlp_tables {
	struct dictionary *dictionary;
	struct otlp_block *blocks;
	struct string_table *strings;
	struct otlp_attribute *attributes; /* row 0 is none */
	u32 attribute_cnt, attribute_capacity;
	struct id_index attribute_index;
	u32 *mapping_rows; /* by mapping of the dictionary; 0: it has no row */
	u32 *stack_rows; /* by stack of the dictionary; 0: none yet */
	u32 *stacks; /* by row: stack of the dictionary */
	u32 stack_cnt, stack_capacity;
};

/* dictionary is borrowed; texts of attributes are added to its strings. */
int otlp_tables_init(struct otlp_tables *tables, struct dictionary *dictionary);
void otlp_tables_deinit(struct otlp_tables *tables);

/* Zeroed; NULL without memory. Owned by the tables. */
void *otlp_new(struct otlp_tables *tables, size_t cnt, size_t size);
/* A valid copy of text that the message may point to; NULL without memory. */
char *otlp_text(struct otlp_tables *tables, const char *text);

/* Rows for what a sample refers to. */
int otlp_string_row(struct otlp_tables *tables, const char *text, int32_t *ret);
int otlp_stack_row(struct otlp_tables *tables, u32 stack, int32_t *ret);
int otlp_text_attribute_row(struct otlp_tables *tables, const char *key, const char *text, int32_t *ret);
int otlp_number_attribute_row(struct otlp_tables *tables, const char *key, u64 number, int32_t *ret);

/* When all that refers to it has been made. */
int otlp_tables_message(struct otlp_tables *tables, Otlp__ProfilesDictionary *ret);

#endif
