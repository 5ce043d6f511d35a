/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/name_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "container/name_cache.h"

static u32 text_put(struct name_rows *rows, const char *text)
{
	u32 at = (u32)rows->texts.size;

	strbuf_put_size(&rows->texts, text, strlen(text) + 1);
	return at;
}

int name_rows_add(struct name_rows *rows, const char *id, const char *const texts[LABEL_PLACE_CNT])
{
	size_t size = strlen(id) + 1;

	if (!rows->texts.at)
		rows->texts = (struct strbuf){.at = (char *)""};
	for (size_t i = 0; i < LABEL_PLACE_CNT; i++)
		size += texts[i] ? strlen(texts[i]) + 1 : 0;
	if (rows->texts.size + size + (rows->cnt + 1) * sizeof(struct name_row) > NAME_ROWS_MAX)
		return -EFBIG;
	struct name_row *room = array_room(rows->rows, &rows->capacity, rows->cnt, sizeof(*room));
	if (!room)
		return -ENOMEM;
	rows->rows = room;
	if (!rows->texts.size)
		text_put(rows, "");
	struct name_row *row = &room[rows->cnt];
	*row = (struct name_row){.id_at = text_put(rows, id)};
	for (size_t i = 0; i < LABEL_PLACE_CNT; i++)
		if (texts[i])
			row->text_ats[i] = text_put(rows, texts[i]);
	if (rows->texts.failed)
		return -ENOMEM;
	rows->cnt++;
	return 0;
}

static int rows_compare(const void *left, const void *right, void *texts)
{
	const struct name_row *a = left, *b = right;
	int order = strcmp((const char *)texts + a->id_at, (const char *)texts + b->id_at);

	return order ? order : (a->id_at > b->id_at) - (a->id_at < b->id_at);
}

void name_rows_finish(struct name_rows *rows)
{
	if (!rows->cnt)
		return;
	qsort_r(rows->rows, rows->cnt, sizeof(*rows->rows), rows_compare, rows->texts.at);
	struct name_row *fit = realloc(rows->rows, rows->cnt * sizeof(*fit));
	if (fit) {
		rows->rows = fit;
		rows->capacity = rows->cnt;
	}
	char *texts = realloc(rows->texts.at, rows->texts.size + 1);
	if (texts) {
		rows->texts.at = texts;
		rows->texts.capacity = rows->texts.size + 1;
	}
}

const struct name_row *name_rows_find(const struct name_rows *rows, const char *id)
{
	u32 low = 0, high = rows->cnt;

	while (low < high) {
		u32 middle = low + (high - low) / 2;

		if (strcmp(rows->texts.at + rows->rows[middle].id_at, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == rows->cnt || strcmp(rows->texts.at + rows->rows[low].id_at, id))
		return NULL;
	return &rows->rows[low];
}

const char *name_row_text(const struct name_rows *rows, const struct name_row *row, enum label label)
{
	return row->text_ats[label] ? rows->texts.at + row->text_ats[label] : NULL;
}

size_t name_rows_size(const struct name_rows *rows)
{
	return rows->texts.capacity + rows->capacity * sizeof(*rows->rows);
}

void name_rows_deinit(struct name_rows *rows)
{
	if (rows->texts.at)
		strbuf_deinit(&rows->texts);
	free(rows->rows);
	*rows = (struct name_rows){0};
}
