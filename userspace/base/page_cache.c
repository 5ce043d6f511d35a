/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/page_cache.h"

#include <errno.h>
#include <string.h>

#define PAGE_SIZE   4096
#define SLOTS	    256
#define DIRECT_SIZE (2 * PAGE_SIZE) /* from this size on a read is not for the cache */

struct page {
	u64 number; /* of the page, plus 1; 0: free */
	u8 bytes[PAGE_SIZE];
};

struct page_cache {
	struct remote_memory memory; /* first: what readers hold is this */
	const struct remote_memory *below;
	struct page pages[SLOTS];
};

/* Objects of one process are thick in a few places: neighbours must not meet in a slot. */
static struct page *slot_of(struct page_cache *cache, u64 number)
{
	return &cache->pages[(number ^ number >> 8 ^ number >> 16) % SLOTS];
}

/* Within one page. A page that is not readable as a whole may be in part: a test's bytes. */
static int part_read(struct page_cache *cache, u64 address, void *ret, size_t size)
{
	u64 number = address / PAGE_SIZE;
	struct page *page = slot_of(cache, number);

	if (page->number != number + 1) {
		page->number = 0;
		int err = remote_read(cache->below, number * PAGE_SIZE, page->bytes, PAGE_SIZE);
		if (err)
			return err == -EFAULT ? remote_read(cache->below, address, ret, size) : err;
		page->number = number + 1;
	}
	memcpy(ret, page->bytes + address % PAGE_SIZE, size);
	return 0;
}

static int cached_read(const struct remote_memory *memory, u64 address, void *ret, size_t size)
{
	struct page_cache *cache = (struct page_cache *)memory;
	int err = 0;

	if (size >= DIRECT_SIZE)
		return remote_read(cache->below, address, ret, size);
	for (size_t done = 0; !err && done < size;) {
		size_t now = PAGE_SIZE - (address + done) % PAGE_SIZE;
		now = size - done < now ? size - done : now;
		err = part_read(cache, address + done, (u8 *)ret + done, now);
		done += now;
	}
	return err;
}

int page_cache_new(const struct remote_memory *below, struct page_cache **ret)
{
	struct page_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return -ENOMEM;
	cache->memory.read = cached_read;
	cache->below = below;
	*ret = cache;
	return 0;
}

void page_cache_free(struct page_cache *cache)
{
	free(cache);
}

const struct remote_memory *page_cache_memory(const struct page_cache *cache)
{
	return &cache->memory;
}

void page_cache_clear(struct page_cache *cache)
{
	for (size_t i = 0; i < SLOTS; i++)
		cache->pages[i].number = 0;
}
