/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * id_index.h - finds the id of something that was interned, by its hash. The
 * things themselves live in their table's array; here are only 8-byte slots, so
 * that a look-up is one cache line of slots and one of the array. Open addressing,
 * linear probing, at most half full; nothing is ever removed.
 *
 *	u32 at = id_index_start(index, hash), id;
 *	while (id_index_next(index, hash, &at, &id))
 *		if (it is the one)
 *			...
 */
#ifndef PYPROF_ID_INDEX_H
#define PYPROF_ID_INDEX_H

#include <stdbool.h>
#include <stddef.h>

#include "pyprof/types.h"

struct id_slot {
	u32 hash; /* its low bits are the slot's home, all of them spare most comparisons */
	u32 id; /* plus 1; 0: free */
};

struct id_index {
	struct id_slot *slots;
	u32 capacity; /* a power of two, 0 before the first */
	u32 cnt;
};

/* Multiply, and fold the two halves: every bit of a and b reaches every bit of the result (wyhash's step). */
static inline u64 id_hash(u64 a, u64 b)
{
	__uint128_t product = (__uint128_t)(a ^ 0x9e3779b97f4a7c15ull) * (b ^ 0xd1b54a32d192ed03ull);

	return (u64)product ^ (u64)(product >> 64);
}

static inline u32 id_index_start(const struct id_index *index, u64 hash)
{
	return (u32)hash & (index->capacity - 1);
}

/* The next id whose hash is this one, false when there is none left. */
static inline bool id_index_next(const struct id_index *index, u64 hash, u32 *at, u32 *ret)
{
	if (!index->capacity)
		return false;
	for (;;) {
		const struct id_slot *slot = &index->slots[*at];

		if (!slot->id)
			return false;
		*at = (*at + 1) & (index->capacity - 1);
		if (slot->hash == (u32)hash) {
			*ret = slot->id - 1;
			return true;
		}
	}
}

/* -ENOMEM; then the index is as it was. */
int id_index_add(struct id_index *index, u64 hash, u32 id);
/* Forgets the ids, keeps the memory. */
void id_index_clear(struct id_index *index);
void id_index_deinit(struct id_index *index);
size_t id_index_bytes(const struct id_index *index);

#endif
