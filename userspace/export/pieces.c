/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/pieces.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "export/destination.h"

static int piece_put(void *ctx, const void *body, size_t size)
{
	struct pieces *pieces = ctx;
	struct piece *at = array_room(pieces->at, &pieces->capacity, pieces->cnt, sizeof(*at));

	if (!at)
		return -ENOMEM;
	pieces->at = at;
	void *copy = malloc(size);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, body, size);
	at[pieces->cnt++] = (struct piece){copy, size};
	return 0;
}

int pieces_split(const struct destination_kind *kind, const void *body, size_t size, struct pieces *ret)
{
	*ret = (struct pieces){0};
	int err = kind->split ? kind->split(body, size, piece_put, ret) : 0;

	if (err)
		pieces_deinit(ret);
	return err;
}

void pieces_deinit(struct pieces *pieces)
{
	for (u32 i = 0; i < pieces->cnt; i++)
		free(pieces->at[i].body);
	free(pieces->at);
	*pieces = (struct pieces){0};
}
