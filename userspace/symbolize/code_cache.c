/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "symbolize/code_cache.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <uthash.h>

#define CODE_CACHE_BYTES_MAX (64u << 20)

struct entry_key {
	u64 address;
	u32 process;
	u32 signature;
};

struct entry {
	struct entry_key key;
	struct code_object *code; /* NULL: could not be read, err says why */
	int err;
	size_t bytes;
	struct entry *next_of_process;
	UT_hash_handle hh;
};

struct owner {
	u32 process;
	struct entry *first;
	UT_hash_handle hh;
};

struct code_cache {
	struct entry *entries;
	struct owner *owners;
	size_t bytes;
};

int code_cache_new(struct code_cache **ret)
{
	struct code_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return -ENOMEM;
	*ret = cache;
	return 0;
}

static void owner_free(struct code_cache *cache, struct owner *owner)
{
	struct entry *entry = owner->first;

	while (entry) {
		struct entry *next = entry->next_of_process;

		HASH_DEL(cache->entries, entry);
		cache->bytes -= entry->bytes;
		code_object_free(entry->code);
		free(entry);
		entry = next;
	}
	HASH_DEL(cache->owners, owner);
	free(owner);
}

static void code_cache_clear(struct code_cache *cache)
{
	struct owner *owner, *next;

	HASH_ITER(hh, cache->owners, owner, next)
	owner_free(cache, owner);
}

void code_cache_free(struct code_cache *cache)
{
	if (!cache)
		return;
	code_cache_clear(cache);
	free(cache);
}

void code_cache_forget(struct code_cache *cache, u32 process)
{
	struct owner *owner;

	HASH_FIND(hh, cache->owners, &process, sizeof(process), owner);
	if (owner)
		owner_free(cache, owner);
}

static struct owner *owner_get(struct code_cache *cache, u32 process)
{
	struct owner *owner;

	HASH_FIND(hh, cache->owners, &process, sizeof(process), owner);
	if (owner)
		return owner;
	owner = calloc(1, sizeof(*owner));
	if (!owner)
		return NULL;
	owner->process = process;
	HASH_ADD(hh, cache->owners, process, sizeof(owner->process), owner);
	return owner;
}

static size_t code_bytes(const struct code_object *code)
{
	return code ? sizeof(*code) + strlen(code->function) + strlen(code->file) + code->line_table_size : 0;
}

static struct entry *entry_find(struct code_cache *cache, const struct entry_key *key)
{
	struct entry *entry;

	HASH_FIND(hh, cache->entries, key, sizeof(*key), entry);
	return entry;
}

/* Takes over code, also on failure. */
static int entry_add(struct code_cache *cache, const struct entry_key *key, struct code_object *code, int err)
{
	_cleanup_(code_object) struct code_object *mine = code;

	if (cache->bytes > CODE_CACHE_BYTES_MAX)
		code_cache_clear(cache);

	struct owner *owner = owner_get(cache, key->process);
	struct entry *entry = owner ? calloc(1, sizeof(*entry)) : NULL;
	if (!entry)
		return -ENOMEM;
	entry->key = *key;
	entry->err = err;
	entry->code = take(mine);
	entry->bytes = sizeof(*entry) + code_bytes(entry->code);
	entry->next_of_process = owner->first;
	owner->first = entry;
	cache->bytes += entry->bytes;
	HASH_ADD(hh, cache->entries, key, sizeof(entry->key), entry);
	return 0;
}

int code_cache_get(struct code_cache *cache, u32 process, const struct remote_memory *memory,
		   const struct python_layout *layout, u64 address, u32 signature, const struct code_object **ret)
{
	struct entry_key key = {.address = address, .process = process, .signature = signature};
	struct entry *entry = entry_find(cache, &key);

	if (entry) {
		*ret = entry->code;
		return entry->err;
	}
	if (!memory)
		return -ESRCH;

	struct code_object *code = NULL;
	int err = code_object_read(memory, layout, address, signature, &code);
	/* A page that was not there may be there the next time; so may memory of ours. */
	if (err == -EFAULT || err == -ENOMEM)
		return err;
	*ret = code;
	int add_err = entry_add(cache, &key, code, err);
	return add_err ? add_err : err;
}

int code_cache_add(struct code_cache *cache, u32 process, const struct remote_memory *memory,
		   const struct python_layout *layout, u64 address, u32 signature, const struct code_object **ret)
{
	struct entry_key key = {.address = address, .process = process, .signature = signature};
	struct entry *entry = entry_find(cache, &key);

	if (entry && !entry->err) {
		*ret = entry->code;
		return 0;
	}

	struct code_object *code;
	int err = code_object_read(memory, layout, address, signature, &code);
	if (err)
		return err;
	*ret = code;
	if (!entry)
		return entry_add(cache, &key, code, 0);
	/* It could not be read from the process then. */
	entry->code = code;
	entry->err = 0;
	return 0;
}
