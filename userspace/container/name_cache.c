/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "container/name_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <utlist.h>

#include "base/clock.h"
#include "container/name_rows.h"

#define HASH_NONFATAL_OOM	   1
#define uthash_nonfatal_oom(entry) ((entry)->failed = true)
#include <uthash.h>

/*
 * Files are stamped by a clock that ticks: of two changes within one tick the second does not show. So what changed just
 * now is not believed to stay.
 */
#define TICK_NS (20 * NS_PER_MS)

struct cached_key {
	u64 dev, ino;
	const struct name_file *file;
	u64 in_pod;
};

struct cached_file {
	struct cached_key key;
	struct timespec mtime, ctime;
	off_t size;
	int err; /* what parsing it said */
	struct name_rows rows;
	struct cached_file *prev, *next;
	bool failed; /* not in the hash, for want of memory */
	UT_hash_handle hh;
};

struct name_cache {
	int root_fd;
	struct cached_file *by_key, *oldest; /* the list in order of use */
	size_t size;
	size_t host_left, users_left; /* bytes that this look may parse still */
	u64 parsed;
};

int name_cache_new(int root_fd, struct name_cache **ret)
{
	struct name_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return -ENOMEM;
	cache->root_fd = root_fd;
	name_cache_look(cache);
	*ret = cache;
	return 0;
}

void name_cache_look(struct name_cache *cache)
{
	cache->host_left = LOOK_HOST_BYTES;
	cache->users_left = LOOK_USERS_BYTES;
}

static size_t cached_size(const struct cached_file *cached)
{
	return sizeof(*cached) + name_rows_size(&cached->rows);
}

static void cached_free(struct cached_file *cached)
{
	name_rows_deinit(&cached->rows);
	free(cached);
}
DEFINE_CLEANUP(cached, struct cached_file *, cached_free)

static void cached_drop(struct name_cache *cache, struct cached_file *cached)
{
	cache->size -= cached_size(cached);
	HASH_DELETE(hh, cache->by_key, cached);
	DL_DELETE(cache->oldest, cached);
	cached_free(cached);
}

void name_cache_free(struct name_cache *cache)
{
	if (!cache)
		return;
	while (cache->oldest)
		cached_drop(cache, cache->oldest);
	free(cache);
}

static bool times_are_equal(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Whether a file is as it was when it was read. */
static bool cached_is_current(const struct cached_file *cached, const struct stat *st)
{
	return cached->size == st->st_size && times_are_equal(&cached->mtime, &st->st_mtim) &&
	       times_are_equal(&cached->ctime, &st->st_ctim);
}

static bool is_just_changed(const struct stat *st)
{
	u64 changed_ns = (u64)st->st_ctim.tv_sec * NS_PER_S + (u64)st->st_ctim.tv_nsec, now_ns = clock_realtime_ns();

	return changed_ns <= now_ns && now_ns - changed_ns < TICK_NS;
}

static struct cached_key key_of(const struct name_file *file, bool in_pod, const struct stat *st)
{
	return (struct cached_key){.dev = st->st_dev, .ino = st->st_ino, .file = file, .in_pod = in_pod};
}

/* As it is there now, and may be read. */
static int file_check(const struct name_file *file, u32 owner, const struct stat *st)
{
	if (owner != HOST_ANYBODY && st->st_uid != owner)
		return -EACCES;
	return (u64)st->st_size > (owner == HOST_ANYBODY ? file->max : USER_FILE_MAX) ? -EFBIG : 0;
}

static int file_parse(struct name_cache *cache, const struct name_file *file, const char *path, u32 owner, bool in_pod,
		      struct cached_file **ret)
{
	_cleanup_(cached) struct cached_file *cached = calloc(1, sizeof(*cached));
	_cleanup_(free) char *text = NULL;
	size_t size;
	struct stat st;

	if (!cached)
		return -ENOMEM;
	int err = host_file_read(cache->root_fd, path, owner == HOST_ANYBODY ? file->max : USER_FILE_MAX, &text, &size,
				 &st);
	if (!err)
		err = file_check(file, owner, &st);
	if (err)
		return err;
	size_t *left = owner == HOST_ANYBODY ? &cache->host_left : &cache->users_left;
	if (size > *left)
		return -EAGAIN;
	*left -= size;
	cache->parsed++;
	cached->err = file->parse(text, size, in_pod, &cached->rows);
	if (cached->err == -ENOMEM)
		return -ENOMEM;
	if (cached->err)
		name_rows_deinit(&cached->rows);
	name_rows_finish(&cached->rows);
	cached->key = key_of(file, in_pod, &st);
	cached->size = st.st_size;
	cached->mtime = st.st_mtim;
	/* No time that any file has: it is read again. */
	cached->ctime = is_just_changed(&st) ? (struct timespec){.tv_nsec = -1} : st.st_ctim;
	*ret = take(cached);
	return 0;
}

/* Takes it. */
static int cached_keep(struct name_cache *cache, struct cached_file *cached)
{
	struct cached_file *before;

	HASH_FIND(hh, cache->by_key, &cached->key, sizeof(cached->key), before);
	if (before)
		cached_drop(cache, before);
	while (cache->oldest && cache->size + cached_size(cached) > NAME_CACHE_MAX)
		cached_drop(cache, cache->oldest);
	HASH_ADD(hh, cache->by_key, key, sizeof(cached->key), cached);
	if (cached->failed) {
		cached_free(cached);
		return -ENOMEM;
	}
	DL_APPEND(cache->oldest, cached);
	cache->size += cached_size(cached);
	return 0;
}

static int cached_get(struct name_cache *cache, const struct name_file *file, const char *path, u32 owner, bool in_pod,
		      struct cached_file **ret)
{
	struct cached_file *cached;
	struct stat st;

	int err = host_file_find(cache->root_fd, path, &st);
	if (!err)
		err = file_check(file, owner, &st);
	if (err)
		return err;
	struct cached_key key = key_of(file, in_pod, &st);
	HASH_FIND(hh, cache->by_key, &key, sizeof(key), cached);
	if (cached && cached_is_current(cached, &st)) {
		DL_DELETE(cache->oldest, cached);
		DL_APPEND(cache->oldest, cached);
		*ret = cached;
		return 0;
	}
	if ((u64)st.st_size > (owner == HOST_ANYBODY ? cache->host_left : cache->users_left))
		return -EAGAIN;
	err = file_parse(cache, file, path, owner, in_pod, &cached);
	if (!err)
		err = cached_keep(cache, cached);
	if (!err)
		*ret = cached;
	return err;
}

int name_cache_find(struct name_cache *cache, const struct name_file *file, const char *path, u32 owner, bool in_pod,
		    const char *id, const char *ret[LABEL_PLACE_CNT])
{
	struct cached_file *cached;

	int err = cached_get(cache, file, path, owner, in_pod, &cached);
	if (err || cached->err)
		return err ? err : cached->err;
	const struct name_row *row = name_rows_find(&cached->rows, id);
	if (!row)
		return -ENOENT;
	for (size_t i = 0; i < LABEL_PLACE_CNT; i++)
		ret[i] = name_row_text(&cached->rows, row, (enum label)i);
	return 0;
}

int name_cache_read(struct name_cache *cache, const struct name_file *file, const char *path, u32 owner, bool in_pod,
		    const char *id, struct container_names *names)
{
	const char *texts[LABEL_PLACE_CNT];

	int err = name_cache_find(cache, file, path, owner, in_pod, id, texts);
	for (size_t i = 0; i < LABEL_PLACE_CNT && !err; i++)
		err = container_names_set(names, (enum label)i, texts[i]);
	return err;
}

u64 name_cache_parsed(const struct name_cache *cache)
{
	return cache->parsed;
}

size_t name_cache_size(const struct name_cache *cache)
{
	return cache->size;
}
