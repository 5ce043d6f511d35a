/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "process/mapping.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "process/mapped_file.h"
#include "process/maps_line.h"
#include "process/mapping_origin.h"

struct mapping_table {
	u32 refs;
	size_t cnt, capacity;
	struct mapping *at; /* by start */
};

static void mapping_deinit(struct mapping *mapping)
{
	mapping_origin_free(mapping->origin);
	free(mapping->path);
	if (mapping->file)
		mapped_file_unref(mapping->file);
}

static void mappings_free(struct mapping *at, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		mapping_deinit(&at[i]);
	free(at);
}

struct mapping_table *mapping_table_new(void)
{
	struct mapping_table *table = calloc(1, sizeof(*table));

	if (table)
		table->refs = 1;
	return table;
}

struct mapping_table *mapping_table_ref(struct mapping_table *table)
{
	table->refs++;
	return table;
}

void mapping_table_unref(struct mapping_table *table)
{
	if (!table || --table->refs)
		return;
	mappings_free(table->at, table->cnt);
	free(table);
}

static int mapping_copy(const struct mapping *from, struct mapping *ret)
{
	_cleanup_(free) char *path = strdup(from->path ? from->path : "");
	struct mapping_origin *origin = NULL;

	if (!path)
		return -ENOMEM;
	int err = from->origin ? mapping_origin_new(from->origin, &origin) : 0;
	if (err)
		return err;
	*ret = *from;
	ret->path = take(path);
	ret->origin = origin;
	if (ret->file)
		mapped_file_ref(ret->file);
	return 0;
}

static int mapping_table_reserve(struct mapping_table *table, size_t cnt)
{
	if (cnt <= table->capacity)
		return 0;

	size_t capacity = table->capacity ? table->capacity : 8;
	while (capacity < cnt)
		capacity *= 2;

	struct mapping *at = reallocarray(table->at, capacity, sizeof(*at));
	if (!at)
		return -ENOMEM;
	table->at = at;
	table->capacity = capacity;
	return 0;
}

static int mapping_table_copy(const struct mapping_table *from, struct mapping_table **ret)
{
	_cleanup_(mapping_table) struct mapping_table *table = mapping_table_new();

	if (!table || mapping_table_reserve(table, from->cnt))
		return -ENOMEM;
	for (; table->cnt < from->cnt; table->cnt++) {
		int err = mapping_copy(&from->at[table->cnt], &table->at[table->cnt]);
		if (err)
			return err;
	}
	*ret = take(table);
	return 0;
}

/* Index of the first mapping that ends after the address. */
static size_t mapping_table_search(const struct mapping_table *table, u64 address)
{
	size_t low = 0, high = table->cnt;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->at[middle].end > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* The part from `start` on. */
static void mapping_cut(struct mapping *mapping, u64 start)
{
	mapping->file_offset += start - mapping->start;
	if (mapping->origin)
		mapping->origin->file_offset += start - mapping->start;
	mapping->start = start;
}

/*
 * Puts a mapping over whatever is there, of which up to two pieces remain: one
 * before it and one behind it, which come from the same mapping when it is cut
 * in two. Takes over what the new mapping owns on success only; on failure
 * nothing changes.
 */
static int mapping_table_put(struct mapping_table *table, const struct mapping *mapping)
{
	size_t first = mapping_table_search(table, mapping->start), end = first;
	struct mapping pieces[3];
	size_t piece_cnt = 0;

	while (end < table->cnt && table->at[end].start < mapping->end)
		end++;
	if (table->cnt - (end - first) + 3 > MAPPING_TABLE_MAX)
		return -ENOSPC;
	int err = mapping_table_reserve(table, table->cnt - (end - first) + 3);
	if (err)
		return err;

	struct mapping *left = end > first ? &table->at[first] : NULL;
	struct mapping *right = end > first ? &table->at[end - 1] : NULL;
	if (left && left->start < mapping->start) {
		err = mapping_copy(left, &pieces[piece_cnt]);
		if (err)
			return err;
		pieces[piece_cnt++].end = mapping->start;
	}
	pieces[piece_cnt++] = *mapping;
	if (right && right->end > mapping->end) {
		err = mapping_copy(right, &pieces[piece_cnt]);
		if (err) {
			if (piece_cnt == 2)
				mapping_deinit(&pieces[0]);
			return err;
		}
		mapping_cut(&pieces[piece_cnt++], mapping->end);
	}

	for (size_t i = first; i < end; i++)
		mapping_deinit(&table->at[i]);
	memmove(table->at + first + piece_cnt, table->at + end, (table->cnt - end) * sizeof(*table->at));
	memcpy(table->at + first, pieces, piece_cnt * sizeof(*table->at));
	table->cnt += piece_cnt - (end - first);
	return 0;
}

/*
 * Whether a mapping is the one that is known, or a part of it, so that no address
 * means anything new. A path may have been marked as deleted meanwhile. Of memory
 * without a file the kernel gives an offset in events and none in /proc.
 */
static bool mapping_holds(const struct mapping *known, const struct mapping *mapping)
{
	if (mapping->start < known->start || mapping->end > known->end || !mapping_is_of_same_file(known, mapping))
		return false;
	u64 known_offset = mapping_is_copy(known) ? known->origin->file_offset : known->file_offset;
	u64 offset = mapping_is_copy(mapping) ? mapping->origin->file_offset : mapping->file_offset;
	return !mapping->inode || offset - known_offset == mapping->start - known->start;
}

static bool mapping_is_same(const struct mapping *a, const struct mapping *b)
{
	return a->start == b->start && a->end == b->end && mapping_holds(a, b);
}

/* Events tell of no name that a process gave to its anonymous memory. */
static bool path_is_anonymous(const char *path)
{
	return !*path || !strncmp(path, "[anon:", 6);
}

static bool path_is_same(const char *a, const char *b)
{
	static const char deleted[] = " (deleted)";
	size_t size = 0;

	if (path_is_anonymous(a) || path_is_anonymous(b))
		return path_is_anonymous(a) && path_is_anonymous(b);
	while (a[size] && a[size] == b[size])
		size++;
	return (!a[size] || !strcmp(a + size, deleted)) && (!b[size] || !strcmp(b + size, deleted));
}

/* Memory that was reported again may have been filled since it was compared, or emptied. */
static bool mapping_is_settled(const struct mapping *mapping)
{
	const struct mapping_origin *origin = mapping->origin;
	bool is_asked = mapping->file || mapping->file_failed;

	return !origin || (!origin->is_copy && (!is_asked || origin->tries >= MAPPING_ORIGIN_TRIES_MAX));
}

/* Gives a new mapping its origin, if it is to have one: what most of it covers. */
static int mapping_table_find_origin(const struct mapping_table *table, struct mapping *mapping)
{
	struct mapping_origin origin, best;
	u64 best_size = 0;

	if (!mapping_is_nameless(mapping))
		return 0;
	for (size_t i = mapping_table_search(table, mapping->start);
	     i < table->cnt && table->at[i].start < mapping->end; i++) {
		const struct mapping *known = &table->at[i];
		u64 start = known->start > mapping->start ? known->start : mapping->start;
		u64 end = known->end < mapping->end ? known->end : mapping->end;

		if (end - start <= best_size || !mapping_origin_of_covered(known, mapping, &origin))
			continue;
		best = origin;
		best_size = end - start;
	}
	return best_size ? mapping_origin_new(&best, &mapping->origin) : 0;
}

/* From now on *table is the caller's alone. */
static int mapping_table_own(struct mapping_table **table)
{
	struct mapping_table *own;

	if ((*table)->refs == 1)
		return 0;
	int err = mapping_table_copy(*table, &own);
	if (err)
		return err;
	mapping_table_unref(*table);
	*table = own;
	return 0;
}

int mapping_table_insert(struct mapping_table **table, const struct mapping *mapping)
{
	if (mapping->start >= mapping->end)
		return -EINVAL;

	/* A library's mprotect reports what is known already, and so does a JIT's. */
	const struct mapping *known = mapping_table_find(*table, mapping->start);
	if (known && mapping_holds(known, mapping) && mapping_is_settled(known) &&
	    path_is_same(known->path, mapping->path ? mapping->path : ""))
		return 0;

	int err = mapping_table_own(table);
	if (err)
		return err;
	struct mapping fresh = *mapping, owned;
	fresh.file = NULL;
	fresh.file_failed = false;
	fresh.origin = NULL;
	err = mapping_copy(&fresh, &owned);
	if (err)
		return err;
	err = mapping_table_find_origin(*table, &owned);
	if (!err)
		err = mapping_table_put(*table, &owned);
	if (err)
		mapping_deinit(&owned);
	return err;
}

bool mapping_table_replaces(const struct mapping_table *table, const struct mapping *mapping)
{
	for (size_t i = mapping_table_search(table, mapping->start);
	     i < table->cnt && table->at[i].start < mapping->end; i++) {
		const struct mapping *known = &table->at[i];
		bool is_same_part = known->start - known->file_offset == mapping->start - mapping->file_offset;

		if (!mapping_is_of_same_file(known, mapping) || (mapping->inode && !is_same_part))
			return true;
	}
	return false;
}

struct mapping *mapping_table_find(struct mapping_table *table, u64 address)
{
	size_t i = mapping_table_search(table, address);

	return i < table->cnt && table->at[i].start <= address ? &table->at[i] : NULL;
}

size_t mapping_table_cnt(const struct mapping_table *table)
{
	return table->cnt;
}

struct mapping *mapping_table_at(struct mapping_table *table, size_t i)
{
	return i < table->cnt ? &table->at[i] : NULL;
}

/* The line before, unless only the one behind is code. Either may be NULL. */
static int maps_find_origin(const struct maps_line *before, const struct maps_line *behind, struct mapping *mapping)
{
	const struct maps_line *best = NULL;
	struct mapping_origin origin;

	if (!mapping_is_nameless(mapping))
		return 0;
	if (before && mapping_origin_of_neighbour(&before->mapping, mapping, &origin))
		best = before;
	if (behind && (!best || (behind->is_executable && !best->is_executable)) &&
	    mapping_origin_of_neighbour(&behind->mapping, mapping, &origin))
		best = behind;
	if (!best)
		return 0;
	int err = maps_line_path(best, &origin.path);
	if (err)
		return err;
	err = mapping_origin_new(&origin, &mapping->origin);
	free(origin.path);
	return err;
}

static int mapping_table_put_line(struct mapping_table *table, const struct maps_line *before,
				  const struct maps_line *line, const struct maps_line *behind)
{
	struct mapping mapping = line->mapping;

	int err = maps_line_path(line, &mapping.path);
	if (!err)
		err = maps_find_origin(before, behind, &mapping);
	if (!err)
		err = mapping_table_put(table, &mapping);
	if (err)
		mapping_deinit(&mapping);
	return err;
}

static int mapping_table_parse_lines(struct mapping_table *table, struct cursor *c)
{
	struct maps_line before = {0}, line, behind;
	u64 end = 0; /* of the ranges that follow upon `before` without a gap and are no file */
	bool is_last = !cursor_left(c), is_full = false;

	int err = is_last ? 0 : maps_line_parse(c, &line);
	for (; !err && !is_last; line = behind) {
		is_last = !cursor_left(c);
		err = is_last ? 0 : maps_line_parse(c, &behind);
		if (err)
			break;
		if (line.is_executable && !is_full) {
			bool touches = !is_last && behind.mapping.start == line.mapping.end;

			err = mapping_table_put_line(table, end == line.mapping.start ? &before : NULL, &line,
						     touches ? &behind : NULL);
			/* What lies beyond the bound counts as an unknown address, should it ever be sampled. */
			is_full = err == -ENOSPC;
			err = is_full ? 0 : err;
		}
		if (line.mapping.inode || end != line.mapping.start)
			before = line;
		end = line.mapping.end;
	}
	return err;
}

/* What was found out about a range holds for the same range of the same file. */
static int mapping_table_keep(struct mapping_table *table, struct mapping_table *old)
{
	for (size_t i = 0; i < table->cnt; i++) {
		struct mapping *mapping = &table->at[i];
		const struct mapping *known = mapping_table_find(old, mapping->start);

		if (!known || !mapping_is_same(known, mapping))
			continue;
		if (known->origin) {
			struct mapping_origin *origin;
			int err = mapping_origin_new(known->origin, &origin);

			if (err)
				return err;
			mapping_origin_free(mapping->origin);
			mapping->origin = origin;
			mapping->file_offset = known->file_offset;
			mapping->file_failed = known->file_failed;
		}
		if (known->file)
			mapping->file = mapped_file_ref(known->file);
	}
	return 0;
}

static bool mapping_table_is_same(const struct mapping_table *a, const struct mapping_table *b)
{
	bool is_same = a->cnt == b->cnt;

	for (size_t i = 0; is_same && i < a->cnt; i++)
		is_same = mapping_is_same(&a->at[i], &b->at[i]) && path_is_same(a->at[i].path, b->at[i].path) &&
			  (a->at[i].origin || !b->at[i].origin);
	return is_same;
}

int mapping_table_parse(struct mapping_table **table, const char *maps, size_t size)
{
	_cleanup_(mapping_table) struct mapping_table *parsed = mapping_table_new();
	struct cursor c = cursor_of(maps, size);

	if (!parsed)
		return -ENOMEM;
	int err = mapping_table_parse_lines(parsed, &c);
	if (err)
		return err;
	if (mapping_table_is_same(*table, parsed))
		return 0;
	err = mapping_table_keep(parsed, *table);
	if (err)
		return err;
	mapping_table_unref(*table);
	*table = take(parsed);
	return 0;
}
