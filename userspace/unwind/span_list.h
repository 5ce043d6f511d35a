/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * span_list.h - which rule begins at which address, on the way to a table. A span is
 * one number: address, whether it is an end, rule; so that a million of them are
 * sorted in milliseconds. A span reaches to the next one.
 */
#ifndef PYPROF_SPAN_LIST_H
#define PYPROF_SPAN_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/types.h"

/* Beyond that user space has no addresses; no real file comes near that many spans. */
#define MAX_SPAN_ADDRESS (1ull << 47)
#define MAX_SPANS	 (8u << 20)

#define SPAN_SHIFT 17
#define SPAN_REAL  (1u << 16) /* not an end */

struct span_list {
	u64 *at;
	size_t cnt, capacity;
	bool sorted; /* nothing was added out of order */
};

static inline u64 span_address(u64 span)
{
	return span >> SPAN_SHIFT;
}

static inline bool span_is_end(u64 span)
{
	return !(span & SPAN_REAL);
}

static inline u16 span_rule(u64 span)
{
	return (u16)span;
}

static inline void spans_cleanup_(struct span_list *list)
{
	free(list->at);
}

/* Address is below MAX_SPAN_ADDRESS. -E2BIG beyond MAX_SPANS. */
int span_list_add(struct span_list *list, u64 address, u16 rule);
/* No rule from here on, unless another span begins here. */
int span_list_add_end(struct span_list *list, u64 address);

/*
 * Sorts; of those at one address keeps the last added that is not an end; drops
 * those that change nothing. More can be added afterwards, and this called again.
 */
int span_list_settle(struct span_list *list);

/* In the first cnt spans, which are settled: the index of the one that holds address, -1 when it is before all. */
ssize_t span_list_find(const struct span_list *list, size_t cnt, u64 address);

#endif
