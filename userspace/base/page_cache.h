/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * page_cache.h - another process's memory, each page of it read once. For those who
 * follow many pointers: a read costs a system call for 8 bytes as for a page. What was
 * read stays as it was at first sight, so a cache is short-lived: one
 * question, one cache, or it is cleared in between.
 */
#ifndef PYPROF_PAGE_CACHE_H
#define PYPROF_PAGE_CACHE_H

#include "base/cleanup.h"
#include "base/remote_memory.h"

struct page_cache;

/* below is borrowed. */
int page_cache_new(const struct remote_memory *below, struct page_cache **ret);
void page_cache_free(struct page_cache *cache);
DEFINE_CLEANUP(page_cache, struct page_cache *, page_cache_free)

/* Reads through the cache; answers as `below` does. Borrowed from the cache. */
const struct remote_memory *page_cache_memory(const struct page_cache *cache);
/* Forgets all pages. */
void page_cache_clear(struct page_cache *cache);

#endif
