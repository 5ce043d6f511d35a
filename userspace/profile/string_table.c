/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/string_table.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/array.h"
#include "base/strbuf.h"
#include "profile/id_index.h"

/* All strings together; a program that makes up names without end must not take the machine's memory. */
#define STRING_TABLE_MAX_BYTES (256u << 20)
/* What a string takes besides its text: its pointer, and two slots of the index. */
#define STRING_OVERHEAD 24
/* Strings are cut from chunks that never move. One that is larger than a chunk gets its own. */
#define STRING_CHUNK_SIZE (64u << 10)

struct string_chunk {
	struct string_chunk *next;
	size_t used, size;
	char text[];
};

struct string_table {
	const char **at;
	u32 cnt, capacity;
	struct id_index index;
	struct string_chunk *chunks; /* the first is the one being filled */
	size_t charged_bytes, chunk_bytes; /* against the bound, and allocated */
	struct strbuf clean; /* scratch for text that is not plain */
};

int string_table_new(struct string_table **ret)
{
	_cleanup_(string_table) struct string_table *table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	table->clean = (struct strbuf){.at = (char *)""};

	u32 empty;
	int err = string_table_intern(table, "", &empty);
	if (err)
		return err;

	*ret = take(table);
	return 0;
}

void string_table_free(struct string_table *table)
{
	if (!table)
		return;
	while (table->chunks) {
		struct string_chunk *next = table->chunks->next;
		free(table->chunks);
		table->chunks = next;
	}
	id_index_deinit(&table->index);
	strbuf_deinit(&table->clean);
	free(table->at);
	free(table);
}

/* Printable ASCII, as nearly every name is, needs no cleaning. *ret_size is the length either way. */
static bool text_is_plain(const char *text, size_t *ret_size)
{
	unsigned char odd = 0;
	size_t size = 0;

	for (; text[size]; size++)
		odd |= (unsigned char)text[size] < 0x20 || (unsigned char)text[size] >= 0x7f;
	*ret_size = size;
	return !odd;
}

static u64 text_hash(const char *text, size_t size)
{
	u64 hash = size, word;

	for (; size >= sizeof(word); text += sizeof(word), size -= sizeof(word)) {
		memcpy(&word, text, sizeof(word));
		hash = id_hash(hash, word);
	}
	word = 0;
	memcpy(&word, text, size);
	return id_hash(hash, word);
}

static int string_table_copy(struct string_table *table, const char *text, size_t size, const char **ret)
{
	struct string_chunk *chunk = table->chunks;

	if (table->charged_bytes + size + 1 + STRING_OVERHEAD > STRING_TABLE_MAX_BYTES)
		return -ENOSPC;
	if (!chunk || chunk->size - chunk->used < size + 1) {
		size_t chunk_size = size + 1 > STRING_CHUNK_SIZE ? size + 1 : STRING_CHUNK_SIZE;

		chunk = malloc(sizeof(*chunk) + chunk_size);
		if (!chunk)
			return -ENOMEM;
		*chunk = (struct string_chunk){.next = table->chunks, .size = chunk_size};
		table->chunks = chunk;
		table->chunk_bytes += sizeof(*chunk) + chunk_size;
	}
	*ret = memcpy(chunk->text + chunk->used, text, size + 1);
	chunk->used += size + 1;
	table->charged_bytes += size + 1 + STRING_OVERHEAD;
	return 0;
}

static int string_table_add(struct string_table *table, const char *text, size_t size, u64 hash, u32 *ret)
{
	const char **at = array_room(table->at, &table->capacity, table->cnt, sizeof(*at));
	if (!at)
		return -ENOMEM;
	table->at = at;

	int err = string_table_copy(table, text, size, &at[table->cnt]);
	if (err)
		return err;
	err = id_index_add(&table->index, hash, table->cnt);
	if (err)
		return err;
	*ret = table->cnt++;
	return 0;
}

int string_table_intern(struct string_table *table, const char *text, u32 *ret)
{
	size_t size;

	if (!text_is_plain(text, &size)) {
		strbuf_clear(&table->clean);
		strbuf_put_clean(&table->clean, text, size);
		if (table->clean.failed)
			return -ENOMEM;
		text = table->clean.at;
		size = table->clean.size;
	}

	u64 hash = text_hash(text, size);
	u32 at = id_index_start(&table->index, hash), id;

	while (id_index_next(&table->index, hash, &at, &id)) {
		if (!strcmp(table->at[id], text)) {
			*ret = id;
			return 0;
		}
	}
	return string_table_add(table, text, size, hash, ret);
}

u32 string_table_cnt(const struct string_table *table)
{
	return table->cnt;
}

const char *string_table_at(const struct string_table *table, u32 id)
{
	return table->at[id];
}

size_t string_table_bytes(const struct string_table *table)
{
	return table->chunk_bytes + table->capacity * sizeof(*table->at) + id_index_bytes(&table->index) +
	       table->clean.capacity;
}
