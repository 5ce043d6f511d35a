/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/label.h"

#include <errno.h>
#include <string.h>

#include "profile/profile.h"
#include "profile/rows.h"

/* More containers than a host runs, with those that come and go. */
#define LABEL_TABLE_MAX (1u << 16)

static const struct {
	const char *name, *otel;
	bool is_number;
} labels[LABEL_CNT] = {
#define X(id, name, otel, is_number) [LABEL_##id] = {name, otel, is_number},
	FOR_EACH_LABEL(X)
#undef X
};

const char *label_name(enum label label)
{
	return labels[label].name;
}

const char *label_otel_name(enum label label)
{
	return labels[label].otel;
}

bool label_is_number(enum label label)
{
	return labels[label].is_number;
}

int label_find(const char *name, enum label *ret)
{
	for (int i = 0; i < LABEL_CNT; i++) {
		if (!strcmp(labels[i].name, name)) {
			*ret = i;
			return 0;
		}
	}
	return -ENOENT;
}

struct label_table {
	struct rows rows; /* struct label_set */
};

int label_table_new(struct label_table **ret)
{
	_cleanup_(label_table) struct label_table *table = calloc(1, sizeof(*table));
	u32 empty;

	if (!table)
		return -ENOMEM;
	int err = label_table_intern(table, &(struct label_set){0}, &empty);
	if (err)
		return err;
	*ret = take(table);
	return 0;
}

void label_table_free(struct label_table *table)
{
	if (!table)
		return;
	rows_deinit(&table->rows);
	free(table);
}

u64 label_set_hash(const struct label_set *set)
{
	u64 hash = 0;

	for (int i = 0; i < LABEL_PLACE_CNT; i++)
		hash = id_hash(hash, set->values[i]);
	return hash;
}

int label_table_intern(struct label_table *table, const struct label_set *set, u32 *ret)
{
	u64 hash = label_set_hash(set);
	u32 at = id_index_start(&table->rows.index, hash), id;

	while (id_index_next(&table->rows.index, hash, &at, &id)) {
		if (!memcmp(label_table_at(table, id), set, sizeof(*set))) {
			*ret = id;
			return 0;
		}
	}
	return rows_add(&table->rows, set, sizeof(*set), LABEL_TABLE_MAX, hash, ret);
}

int label_table_reserve(struct label_table *table, u32 *ret)
{
	return rows_push(&table->rows, &(struct label_set){0}, sizeof(struct label_set), LABEL_TABLE_MAX, ret);
}

void label_table_set(struct label_table *table, u32 id, const struct label_set *set)
{
	((struct label_set *)table->rows.at)[id] = *set;
}

u32 label_table_cnt(const struct label_table *table)
{
	return table->rows.cnt;
}

const struct label_set *label_table_at(const struct label_table *table, u32 id)
{
	return (const struct label_set *)table->rows.at + id;
}

u32 *origin_text(struct origin *origin, enum label label)
{
	switch (label) {
	case LABEL_COMM:
		return &origin->comm;
	case LABEL_EXE:
		return &origin->exe;
	case LABEL_COMMAND_LINE:
		return &origin->command_line;
	case LABEL_ENVIRONMENT:
		return &origin->environment;
	case LABEL_THREAD_NAME:
		return &origin->thread_comm;
	default:
		return NULL;
	}
}

struct label_list {
	const struct string_table *strings;
	struct label_value *at;
	size_t cnt;
};

static void list_text(struct label_list *list, enum label label, u32 string)
{
	if (string != STRING_EMPTY)
		list->at[list->cnt++] = (struct label_value){label, string_table_at(list->strings, string), 0};
}

static void list_number(struct label_list *list, enum label label, u64 number)
{
	if (number)
		list->at[list->cnt++] = (struct label_value){label, NULL, number};
}

size_t origin_labels(const struct profile_tables *tables, const struct origin *origin, const struct view *view,
		     struct label_value ret[LABEL_CNT])
{
	const struct label_set *place = label_table_at(tables->labels, origin->labels);
	struct label_list list = {.strings = tables->strings, .at = ret};

	for (int i = 0; i < LABEL_PLACE_CNT; i++)
		list_text(&list, i, place->values[i]);
	list_text(&list, LABEL_COMM, origin->comm);
	list_text(&list, LABEL_EXE, origin->exe);
	list_text(&list, LABEL_COMMAND_LINE, origin->command_line);
	list_text(&list, LABEL_ENVIRONMENT, origin->environment);
	if (view->pids)
		list_number(&list, LABEL_PID, origin->pid);
	if (view->threads) {
		list_text(&list, LABEL_THREAD_NAME, origin->thread_comm);
		list_number(&list, LABEL_TID, origin->tid);
	}
	return list.cnt;
}
