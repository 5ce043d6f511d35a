/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/id_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ID_INDEX_FIRST_CAPACITY 64

static void id_index_put(struct id_index *index, struct id_slot slot)
{
	u32 at = slot.hash & (index->capacity - 1);

	while (index->slots[at].id)
		at = (at + 1) & (index->capacity - 1);
	index->slots[at] = slot;
}

static int id_index_grow(struct id_index *index)
{
	u32 capacity = index->capacity ? index->capacity * 2 : ID_INDEX_FIRST_CAPACITY;
	struct id_index grown = {.capacity = capacity, .cnt = index->cnt};

	grown.slots = calloc(capacity, sizeof(*grown.slots));
	if (!grown.slots)
		return -ENOMEM;
	for (u32 i = 0; i < index->capacity; i++)
		if (index->slots[i].id)
			id_index_put(&grown, index->slots[i]);
	free(index->slots);
	*index = grown;
	return 0;
}

int id_index_add(struct id_index *index, u64 hash, u32 id)
{
	if (index->cnt >= index->capacity / 2) {
		int err = id_index_grow(index);
		if (err)
			return err;
	}
	id_index_put(index, (struct id_slot){.hash = (u32)hash, .id = id + 1});
	index->cnt++;
	return 0;
}

void id_index_clear(struct id_index *index)
{
	if (index->cnt)
		memset(index->slots, 0, index->capacity * sizeof(*index->slots));
	index->cnt = 0;
}

void id_index_deinit(struct id_index *index)
{
	free(index->slots);
	*index = (struct id_index){0};
}

size_t id_index_bytes(const struct id_index *index)
{
	return index->capacity * sizeof(*index->slots);
}
