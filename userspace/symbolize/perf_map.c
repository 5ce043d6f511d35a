/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "symbolize/perf_map.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#define MAX_ROWS	(1u << 20)
#define MAX_NAMES_SIZE	(64u << 20)
#define MAX_NAME_LENGTH 1023

struct row {
	u64 start, end;
	u32 name; /* in names */
	u32 order; /* of its line: the later wins */
};

struct perf_map {
	struct row *rows; /* once settled: sorted, without overlaps */
	size_t cnt, capacity;
	char *names;
	size_t names_size, names_capacity;
	u32 line_cnt;
	bool settled;
};

int perf_map_new(struct perf_map **ret)
{
	struct perf_map *map = calloc(1, sizeof(*map));

	if (!map)
		return -ENOMEM;
	map->settled = true;
	*ret = map;
	return 0;
}

void perf_map_free(struct perf_map *map)
{
	if (!map)
		return;
	free(map->rows);
	free(map->names);
	free(map);
}

size_t perf_map_bytes(const struct perf_map *map)
{
	return map->capacity * sizeof(*map->rows) + map->names_capacity;
}

/*
 * Lines
 */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A number and one blank behind it. Some compilers write a 0x before it. */
static bool number_parse(const char **at, const char *end, u64 *ret)
{
	const char *start = *at;
	u64 value = 0;

	if (end - start > 2 && start[0] == '0' && start[1] == 'x')
		start += 2;
	const char *next = start;
	for (; next < end && digit_of(*next) >= 0 && next - start < 16; next++)
		value = value << 4 | (u64)digit_of(*next);
	if (next == start || next == end || *next != ' ')
		return false;
	*at = next + 1;
	*ret = value;
	return true;
}

static bool line_parse(const char **at, const char *end, struct row *ret)
{
	u64 size;

	return number_parse(at, end, &ret->start) && number_parse(at, end, &size) && size && *at < end && **at &&
	       !__builtin_add_overflow(ret->start, size, &ret->end);
}

static int add_line(struct perf_map *map, const char *at, const char *end)
{
	struct row row = {.name = map->names_size};

	if (!line_parse(&at, end, &row))
		return 0;
	size_t length = strnlen(at, end - at < MAX_NAME_LENGTH ? end - at : MAX_NAME_LENGTH);
	if (map->cnt >= MAX_ROWS || map->line_cnt == UINT32_MAX || map->names_size + length + 1 > MAX_NAMES_SIZE)
		return -E2BIG;
	struct row *rows = array_reserve(map->rows, &map->capacity, map->cnt + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	map->rows = rows;
	char *names = array_reserve(map->names, &map->names_capacity, map->names_size + length + 1, 1);
	if (!names)
		return -ENOMEM;
	map->names = names;

	memcpy(map->names + map->names_size, at, length);
	map->names[map->names_size + length] = 0;
	map->names_size += length + 1;
	row.order = map->line_cnt++;
	map->rows[map->cnt++] = row;
	map->settled = false;
	return 0;
}

int perf_map_add(struct perf_map *map, const char *text, size_t size, size_t *ret_used)
{
	const char *at = text, *end = text + size, *newline;

	while (at < end && (newline = memchr(at, '\n', end - at))) {
		int err = add_line(map, at, newline);
		if (err)
			return err;
		at = newline + 1;
	}
	*ret_used = at - text;
	return 0;
}

/*
 * Overlaps: going up through the addresses, the ranges that cover the present one
 * are on a heap with the latest on top, which is what counts until the next range
 * begins or it ends.
 */

static int row_compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

struct heap {
	const struct row **at;
	size_t cnt;
};

static void heap_swap(struct heap *heap, size_t i, size_t j)
{
	const struct row *row = heap->at[i];

	heap->at[i] = heap->at[j];
	heap->at[j] = row;
}

static void heap_push(struct heap *heap, const struct row *row)
{
	size_t i = heap->cnt++;

	heap->at[i] = row;
	for (; i && heap->at[(i - 1) / 2]->order < heap->at[i]->order; i = (i - 1) / 2)
		heap_swap(heap, i, (i - 1) / 2);
}

static void heap_pop(struct heap *heap)
{
	heap->at[0] = heap->at[--heap->cnt];
	for (size_t i = 0, child; (child = 2 * i + 1) < heap->cnt; i = child) {
		if (child + 1 < heap->cnt && heap->at[child + 1]->order > heap->at[child]->order)
			child++;
		if (heap->at[i]->order >= heap->at[child]->order)
			break;
		heap_swap(heap, i, child);
	}
}

static size_t put_range(struct row *out, size_t cnt, const struct row *row, u64 start, u64 end)
{
	struct row *last = cnt ? &out[cnt - 1] : NULL;

	if (last && last->order == row->order && last->end == start) {
		last->end = end;
		return cnt;
	}
	out[cnt] = *row;
	out[cnt].start = start;
	out[cnt].end = end;
	return cnt + 1;
}

/* At most two ranges for each row: one begins where a row begins or where one ends. */
static size_t rows_part(const struct row *rows, size_t cnt, struct heap *heap, struct row *out)
{
	size_t next = 0, out_cnt = 0;
	u64 at = 0;

	while (next < cnt || heap->cnt) {
		if (!heap->cnt)
			at = rows[next].start;
		while (next < cnt && rows[next].start == at)
			heap_push(heap, &rows[next++]);
		while (heap->cnt && heap->at[0]->end <= at)
			heap_pop(heap);
		if (!heap->cnt)
			continue;

		const struct row *top = heap->at[0];
		u64 end = next < cnt && rows[next].start < top->end ? rows[next].start : top->end;
		out_cnt = put_range(out, out_cnt, top, at, end);
		at = end;
	}
	return out_cnt;
}

static int perf_map_settle(struct perf_map *map)
{
	_cleanup_(free) const struct row **heap_rows = NULL;
	_cleanup_(free) struct row *out = NULL;
	size_t capacity = 2 * map->cnt + 1;

	heap_rows = malloc((map->cnt + 1) * sizeof(struct row *));
	out = malloc(capacity * sizeof(*out));
	if (!heap_rows || !out)
		return -ENOMEM;
	if (map->cnt)
		qsort(map->rows, map->cnt, sizeof(*map->rows), row_compare);
	struct heap heap = {.at = heap_rows};
	size_t cnt = rows_part(map->rows, map->cnt, &heap, out);

	struct row *fitting = realloc(out, (cnt + 1) * sizeof(*out));
	free(map->rows);
	map->rows = fitting ? fitting : out;
	map->capacity = fitting ? cnt + 1 : capacity;
	map->cnt = cnt;
	map->settled = true;
	out = NULL;
	return 0;
}

const char *perf_map_find(struct perf_map *map, u64 address)
{
	size_t low = 0, high;

	if (!map->settled && perf_map_settle(map))
		return NULL;
	high = map->cnt;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->rows[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < map->cnt && map->rows[low].start <= address ? map->names + map->rows[low].name : NULL;
}
