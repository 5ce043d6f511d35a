/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "symbolize/code_cache.h"

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>

#include <uthash.h>

struct entry_key {
	u64 address;
	u32 process;
	u32 signature;
};

struct entry {
	struct entry_key key;
	struct code_object *code; /* NULL: could not be read, err says why */
	int err;
	size_t bytes; /* with its code object */
	struct entry *next_of_process;
	UT_hash_handle hh;
};

struct owner {
	u32 process;
	struct code_types types;
	struct entry *first;
	UT_hash_handle hh;
};

struct code_cache {
	struct entry *entries;
	struct owner *owners;
	size_t bytes; /* of all entries and owners */
	size_t bytes_max;
};

int code_cache_new(size_t bytes_max, struct code_cache **ret)
{
	struct code_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return -ENOMEM;
	cache->bytes_max = bytes_max;
	*ret = cache;
	return 0;
}

/* What malloc took for it: more than was asked for, and a word of its own. */
static size_t block_bytes(void *block)
{
	return block ? malloc_usable_size(block) + sizeof(size_t) : 0;
}

static size_t code_bytes(const struct code_object *code)
{
	return code ? block_bytes((void *)code) + block_bytes(code->function) + block_bytes(code->file) +
			       block_bytes(code->line_table)
		    : 0;
}

/* uthash's handles are in the entries; its buckets are not. */
#define table_bytes(head) \
	((head) ? sizeof(*(head)->hh.tbl) + (head)->hh.tbl->num_buckets * sizeof(*(head)->hh.tbl->buckets) : 0)

size_t code_cache_bytes(const struct code_cache *cache)
{
	return block_bytes((void *)cache) + cache->bytes + table_bytes(cache->entries) + table_bytes(cache->owners);
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
	cache->bytes -= block_bytes(owner);
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
	cache->bytes += block_bytes(owner);
	HASH_ADD(hh, cache->owners, process, sizeof(owner->process), owner);
	return owner;
}

static struct entry *entry_find(struct code_cache *cache, const struct entry_key *key)
{
	struct entry *entry;

	HASH_FIND(hh, cache->entries, key, sizeof(*key), entry);
	return entry;
}

static int object_read(struct code_cache *cache, const struct entry_key *key, const struct remote_memory *memory,
		       const struct python_layout *layout, struct code_object **ret)
{
	struct owner *owner = owner_get(cache, key->process);

	return owner ? code_object_read(memory, layout, key->address, key->signature, &owner->types, ret) : -ENOMEM;
}

static struct entry *entry_new(struct code_cache *cache, const struct entry_key *key)
{
	struct owner *owner = owner_get(cache, key->process);
	struct entry *entry = owner ? calloc(1, sizeof(*entry)) : NULL;

	if (!entry)
		return NULL;
	entry->key = *key;
	entry->bytes = block_bytes(entry);
	entry->next_of_process = owner->first;
	owner->first = entry;
	cache->bytes += entry->bytes;
	HASH_ADD(hh, cache->entries, key, sizeof(entry->key), entry);
	return entry;
}

/* In the place of what it was. Takes over code, also on failure. */
static int entry_put(struct code_cache *cache, const struct entry_key *key, struct code_object *code, int err)
{
	_cleanup_(code_object) struct code_object *mine = code;
	size_t more = code_bytes(code);

	if (code_cache_bytes(cache) + sizeof(struct entry) + more > cache->bytes_max)
		code_cache_clear(cache);

	struct entry *entry = entry_find(cache, key);
	if (!entry)
		entry = entry_new(cache, key);
	if (!entry)
		return -ENOMEM;
	size_t less = code_bytes(entry->code);
	code_object_free(entry->code);
	entry->code = take(mine);
	entry->err = err;
	entry->bytes += more - less;
	cache->bytes += more - less;
	return 0;
}

/*
 * Whether a failure may be remembered: a page that was not there may be there the next time, so may memory of ours, and
 * the next code object at a freed one's address may have its signature. To ask again costs the profiler little: it does
 * so once for each stack that is new, not for each sample, and one read tells that an object is dead.
 */
static bool is_lasting(int err)
{
	return err != -EFAULT && err != -ENOMEM && err != -ESTALE;
}

int code_cache_get(struct code_cache *cache, u32 process, const struct remote_memory *memory,
		   const struct python_layout *layout, u64 address, u32 signature, const struct code_object **ret)
{
	struct entry_key key = {.address = address, .process = process, .signature = signature};
	struct entry *entry = entry_find(cache, &key);

	if (entry) {
		if (!entry->err)
			*ret = entry->code;
		return entry->err;
	}
	if (!memory)
		return -ESRCH;

	struct code_object *code = NULL;
	int err = object_read(cache, &key, memory, layout, &code);
	if (err && !is_lasting(err))
		return err;
	int put_err = entry_put(cache, &key, code, err);
	if (!put_err && !err)
		*ret = code;
	return put_err ? put_err : err;
}

/* Reads it anew; a failure leaves all as it was. */
static int entry_read(struct code_cache *cache, const struct entry_key *key, const struct remote_memory *memory,
		      const struct python_layout *layout, const struct code_object **ret)
{
	struct code_object *code;
	int err = object_read(cache, key, memory, layout, &code);

	if (!err)
		err = entry_put(cache, key, code, 0);
	if (!err)
		*ret = code;
	return err;
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
	return entry_read(cache, &key, memory, layout, ret);
}

int code_cache_get_sure(struct code_cache *cache, u32 process, const struct remote_memory *memory,
			const struct python_layout *layout, u64 address, u32 signature, const struct code_object **ret)
{
	struct entry_key key = {.address = address, .process = process, .signature = signature};
	struct entry *entry = entry_find(cache, &key);

	if (entry && !entry->err &&
	    (entry->code->has_version || code_object_is_there(entry->code, memory, layout, address))) {
		*ret = entry->code;
		return 0;
	}
	return entry_read(cache, &key, memory, layout, ret);
}
