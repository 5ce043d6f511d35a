/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/array.h"

#include <stdlib.h>

#define ARRAY_FIRST_CAPACITY 32

void *array_room(void *array, u32 *capacity, u32 cnt, size_t item_size)
{
	if (cnt < *capacity)
		return array;

	u32 more = *capacity ? *capacity * 2 : ARRAY_FIRST_CAPACITY;
	void *grown = reallocarray(array, more, item_size);
	if (grown)
		*capacity = more;
	return grown;
}

void *array_reserve(void *array, size_t *capacity, size_t cnt, size_t item_size)
{
	size_t more = *capacity ? *capacity : ARRAY_FIRST_CAPACITY;

	if (cnt <= *capacity)
		return array;
	while (more < cnt)
		more += more / 2;
	void *grown = reallocarray(array, more, item_size);
	if (grown)
		*capacity = more;
	return grown;
}
