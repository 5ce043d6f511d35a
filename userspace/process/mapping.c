/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "process/mapping.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "process/mapped_file.h"

struct mapping_table {
	u32 refs;
	size_t cnt, capacity;
	struct mapping *at; /* by start */
};

static void mapping_deinit(struct mapping *mapping)
{
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
	char *path = strdup(from->path ? from->path : "");

	if (!path)
		return -ENOMEM;
	*ret = *from;
	ret->path = path;
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
		pieces[piece_cnt].file_offset += mapping->end - right->start;
		pieces[piece_cnt++].start = mapping->end;
	}

	for (size_t i = first; i < end; i++)
		mapping_deinit(&table->at[i]);
	memmove(table->at + first + piece_cnt, table->at + end, (table->cnt - end) * sizeof(*table->at));
	memcpy(table->at + first, pieces, piece_cnt * sizeof(*table->at));
	table->cnt += piece_cnt - (end - first);
	return 0;
}

static bool mapping_is_same(const struct mapping *a, const struct mapping *b)
{
	return a->start == b->start && a->end == b->end && a->file_offset == b->file_offset && a->inode == b->inode &&
	       a->dev_major == b->dev_major && a->dev_minor == b->dev_minor;
}

int mapping_table_insert(struct mapping_table **table, const struct mapping *mapping)
{
	if (mapping->start >= mapping->end)
		return -EINVAL;

	/* A library's mprotect reports what is known already. */
	const struct mapping *known = mapping_table_find(*table, mapping->start);
	if (known && mapping_is_same(known, mapping) && !strcmp(known->path, mapping->path ? mapping->path : ""))
		return 0;

	if ((*table)->refs > 1) {
		struct mapping_table *own;
		int err = mapping_table_copy(*table, &own);

		if (err)
			return err;
		mapping_table_unref(*table);
		*table = own;
	}

	struct mapping fresh = *mapping, owned;
	fresh.file = NULL;
	fresh.file_failed = false;
	int err = mapping_copy(&fresh, &owned);
	if (err)
		return err;
	err = mapping_table_put(*table, &owned);
	if (err)
		mapping_deinit(&owned);
	return err;
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

/*
 * One line of /proc/PID/maps (fs/proc/task_mmu.c, show_map_vma):
 *
 *	55d5b8a43000-55d5b8a48000 r-xp 00002000 fe:01 1835   /usr/bin/cat
 *
 * Numbers are hexadecimal but for the inode. What stands behind the blanks is
 * the path to the end of the line, blanks included.
 */

/* A number and the character behind it. */
static u64 maps_number(struct cursor *c, unsigned int base, u8 delimiter)
{
	u64 number = 0;

	for (size_t digits = 0; digits <= 20; digits++) {
		u8 character = cursor_u8(c);
		unsigned int digit;

		if (character == delimiter && digits)
			return number;
		if (character >= '0' && character <= '9')
			digit = character - '0';
		else if (character >= 'a' && character <= 'f')
			digit = character - 'a' + 10;
		else
			break;
		if (digit >= base || __builtin_mul_overflow(number, base, &number) ||
		    __builtin_add_overflow(number, digit, &number))
			break;
	}
	c->bad = true;
	return 0;
}

/* The rest of the line, without its newline. */
static const char *maps_rest(struct cursor *c, size_t *ret_size)
{
	size_t left = cursor_left(c);
	const void *newline = left ? memchr(c->at, '\n', left) : NULL;
	size_t size = newline ? (size_t)((const u8 *)newline - c->at) : left;
	const char *rest = cursor_take(c, size);

	if (newline)
		cursor_take(c, 1);
	*ret_size = size;
	return rest;
}

/* A newline is the one character that the kernel escapes, a backslash in a name is not. */
static char *maps_path(const char *text, size_t size)
{
	static const char escape[] = "\\012";
	const size_t escape_size = sizeof(escape) - 1;

	while (size && *text == ' ') {
		text++;
		size--;
	}

	char *path = malloc(size + 1);
	size_t path_size = 0;
	for (size_t i = 0; path && i < size; i++) {
		bool escaped = size - i >= escape_size && !memcmp(text + i, escape, escape_size);

		path[path_size++] = escaped ? '\n' : text[i];
		i += escaped ? escape_size - 1 : 0;
	}
	if (path)
		path[path_size] = 0;
	return path;
}

/* 1: an executable range; 0: another one. */
static int maps_line(struct cursor *c, struct mapping *ret)
{
	struct mapping mapping = {.start = maps_number(c, 16, '-')};
	size_t rest_size;

	mapping.end = maps_number(c, 16, ' ');
	const char *permissions = cursor_take(c, 5);
	if (!permissions || mapping.start >= mapping.end)
		return -EINVAL;
	if (permissions[2] != 'x') {
		maps_rest(c, &rest_size);
		return 0;
	}

	mapping.file_offset = maps_number(c, 16, ' ');
	mapping.dev_major = maps_number(c, 16, ':');
	mapping.dev_minor = maps_number(c, 16, ' ');
	mapping.inode = maps_number(c, 10, ' ');
	if (c->bad)
		return -EINVAL;

	const char *rest = maps_rest(c, &rest_size);
	mapping.path = maps_path(rest, rest_size);
	if (!mapping.path)
		return -ENOMEM;
	*ret = mapping;
	return 1;
}

/* A file that was opened for a range stays opened for the same range of the same file. */
static void mapping_table_keep_files(struct mapping_table *table, struct mapping_table *old)
{
	for (size_t i = 0; i < table->cnt; i++) {
		struct mapping *mapping = &table->at[i];
		struct mapping *before = mapping_table_find(old, mapping->start);

		if (!before || !before->file || !mapping_is_same(before, mapping))
			continue;
		mapping->file = mapped_file_ref(before->file);
	}
}

static int mapping_table_parse_lines(struct mapping_table *table, struct cursor *c)
{
	while (cursor_left(c)) {
		struct mapping mapping;
		int got = maps_line(c, &mapping);

		if (got < 0)
			return got;
		if (!got)
			continue;
		int err = mapping_table_put(table, &mapping);
		if (!err)
			continue;
		mapping_deinit(&mapping);
		/* What lies beyond the bound counts as an unknown address, should it ever be sampled. */
		return err == -ENOSPC ? 0 : err;
	}
	return 0;
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
	mapping_table_keep_files(parsed, *table);
	mapping_table_unref(*table);
	*table = take(parsed);
	return 0;
}
