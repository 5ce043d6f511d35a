/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/page_cache.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define BASE 0x10000
#define SIZE (600 * 4096)

/* A memory that counts how often it is asked; its bytes may change. */
struct counted {
	struct remote_memory memory;
	u8 *bytes;
	size_t reads;
};

static int counted_read(const struct remote_memory *memory, u64 address, void *ret, size_t size)
{
	struct counted *counted = (struct counted *)memory;

	counted->reads++;
	if (address < BASE || address - BASE > SIZE || SIZE - (address - BASE) < size)
		return -EFAULT;
	memcpy(ret, counted->bytes + (address - BASE), size);
	return 0;
}

static struct counted counted_new(void)
{
	struct counted counted = {.memory = {.read = counted_read}, .bytes = malloc(SIZE)};

	cr_assert(counted.bytes);
	for (size_t i = 0; i < SIZE; i++)
		counted.bytes[i] = i * 2654435761u >> 13;
	return counted;
}

Test(page_cache, gives_what_is_there)
{
	struct counted counted = counted_new();
	_cleanup_(page_cache) struct page_cache *cache = NULL;
	u8 bytes[20000];

	cr_assert_eq(page_cache_new(&counted.memory, &cache), 0);
	/* More pages than it holds, sizes that cross pages and such that it lets pass, twice. */
	for (int round = 0; round < 2; round++) {
		for (size_t at = 0, size = 1; at + size <= SIZE; at += 1237, size = size * 3 % 19997) {
			cr_assert_eq(remote_read(page_cache_memory(cache), BASE + at, bytes, size), 0);
			cr_assert_arr_eq(bytes, counted.bytes + at, size);
		}
	}
	free(counted.bytes);
}

Test(page_cache, asks_once_for_a_page_until_it_is_cleared)
{
	struct counted counted = counted_new();
	_cleanup_(page_cache) struct page_cache *cache = NULL;
	u64 before, word;

	cr_assert_eq(page_cache_new(&counted.memory, &cache), 0);
	cr_assert_eq(remote_read(page_cache_memory(cache), BASE + 4088, &before, sizeof(before)), 0);
	for (u64 at = 0; at < 4096; at += 8)
		cr_assert_eq(remote_read(page_cache_memory(cache), BASE + at, &word, sizeof(word)), 0);
	cr_assert_eq(counted.reads, 1);

	memset(counted.bytes, 0xff, 4096);
	cr_assert_eq(remote_read(page_cache_memory(cache), BASE + 4088, &word, sizeof(word)), 0);
	cr_assert_eq(word, before);
	page_cache_clear(cache);
	cr_assert_eq(remote_read(page_cache_memory(cache), BASE + 4088, &word, sizeof(word)), 0);
	cr_assert_eq(word, ~0ull);
	free(counted.bytes);
}

Test(page_cache, fails_where_nothing_is)
{
	struct counted counted = counted_new();
	_cleanup_(page_cache) struct page_cache *cache = NULL;
	u8 bytes[16];

	cr_assert_eq(page_cache_new(&counted.memory, &cache), 0);
	cr_assert_eq(remote_read(page_cache_memory(cache), BASE - 8, bytes, 8), -EFAULT);
	cr_assert_eq(remote_read(page_cache_memory(cache), BASE - 8, bytes, 16), -EFAULT);
	cr_assert_eq(remote_read(page_cache_memory(cache), BASE + SIZE - 8, bytes, 16), -EFAULT);
	cr_assert_eq(remote_read(page_cache_memory(cache), ~0ull - 3, bytes, 16), -EFAULT);
	cr_assert_eq(remote_read(page_cache_memory(cache), BASE + SIZE - 8, bytes, 8), 0);
	free(counted.bytes);
}
