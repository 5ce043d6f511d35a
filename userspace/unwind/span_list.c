/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "unwind/span_list.h"

#include <errno.h>
#include <string.h>

#define DIGIT_BITS  11
#define DIGIT_CNT   (1u << DIGIT_BITS)
#define FIRST_SPANS 4096

static int span_list_push(struct span_list *list, u64 span)
{
	if (list->cnt == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : FIRST_SPANS;

		if (capacity > MAX_SPANS)
			return -E2BIG;
		u64 *at = realloc(list->at, capacity * sizeof(*at));
		if (!at)
			return -ENOMEM;
		list->at = at;
		list->capacity = capacity;
	}
	if (!list->cnt)
		list->sorted = true;
	else if (span_address(span) < span_address(list->at[list->cnt - 1]))
		list->sorted = false;
	list->at[list->cnt++] = span;
	return 0;
}

int span_list_add(struct span_list *list, u64 address, u16 rule)
{
	return span_list_push(list, address << SPAN_SHIFT | SPAN_REAL | rule);
}

int span_list_add_end(struct span_list *list, u64 address)
{
	return span_list_push(list, address << SPAN_SHIFT);
}

/* The bits of addresses in which any two differ. */
static u64 differing_bits(const struct span_list *list)
{
	u64 bits = 0;

	for (size_t i = 1; i < list->cnt; i++)
		bits |= list->at[i] ^ list->at[0];
	return bits >> SPAN_SHIFT << SPAN_SHIFT;
}

static void sort_by_digit(const u64 *from, u64 *to, size_t cnt, u32 shift)
{
	u32 starts[DIGIT_CNT] = {0}, sum = 0;

	for (size_t i = 0; i < cnt; i++)
		starts[(from[i] >> shift) % DIGIT_CNT]++;
	for (u32 i = 0; i < DIGIT_CNT; i++) {
		u32 here = starts[i];

		starts[i] = sum;
		sum += here;
	}
	for (size_t i = 0; i < cnt; i++)
		to[starts[(from[i] >> shift) % DIGIT_CNT]++] = from[i];
}

/* By address; those at one address stay in the order in which they were added. */
static int span_list_sort(struct span_list *list)
{
	u64 bits = differing_bits(list);
	_cleanup_(free) u64 *other = malloc((list->cnt + 1) * sizeof(*other));
	if (!other)
		return -ENOMEM;

	for (u32 shift = SPAN_SHIFT; shift < 64; shift += DIGIT_BITS) {
		if (!(bits >> shift & (DIGIT_CNT - 1)))
			continue;
		sort_by_digit(list->at, other, list->cnt, shift);
		u64 *sorted = other;
		other = list->at;
		list->at = sorted;
		list->capacity = list->cnt + 1;
	}
	list->sorted = true;
	return 0;
}

int span_list_settle(struct span_list *list)
{
	size_t kept = 0;

	int err = list->sorted || !list->cnt ? 0 : span_list_sort(list);
	if (err)
		return err;
	for (size_t i = 0; i < list->cnt;) {
		u64 best = list->at[i];
		size_t next = i + 1;

		for (; next < list->cnt && span_address(list->at[next]) == span_address(best); next++) {
			if (!span_is_end(list->at[next]))
				best = list->at[next];
		}
		i = next;
		/* What tells two spans apart is below the address; before the first there is an end. */
		if ((u32)(best % (1u << SPAN_SHIFT)) != (kept ? (u32)(list->at[kept - 1] % (1u << SPAN_SHIFT)) : 0))
			list->at[kept++] = best;
	}
	list->cnt = kept;
	return 0;
}

ssize_t span_list_find(const struct span_list *list, size_t cnt, u64 address)
{
	size_t low = 0, high = cnt;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (span_address(list->at[middle]) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return (ssize_t)low - 1;
}
