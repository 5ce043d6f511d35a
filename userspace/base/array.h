/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * array.h - arrays that grow, by so much at once that it costs nothing in the long
 * run. Both give where the array is now, or NULL when memory is short (then it still
 * is where it was).
 */
#ifndef PYPROF_ARRAY_H
#define PYPROF_ARRAY_H

#include <stddef.h>

#include "pyprof/types.h"

/* Room for one more item beside the cnt that are in it. */
void *array_room(void *array, u32 *capacity, u32 cnt, size_t item_size);

/* Room for so many in all, one at least. */
void *array_reserve(void *array, size_t *capacity, size_t cnt, size_t item_size);

#endif
