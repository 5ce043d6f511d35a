/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "symbolize/source_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "process/proc.h"
#include "process/process_root.h"

#include <uthash.h>

#define SOURCE_SIZE_MAX	 (1u << 20) /* a longer one was written by a program */
#define SOURCE_BYTES_MAX (16u << 20) /* of all */
#define STATUS_MAX	 65536

/* Several processes run the same files, which are read once. */
struct source_id {
	u64 device, inode;
	s64 changed_s, changed_ns;
};

struct source {
	struct source_id id;
	char *text;
	size_t size;
	UT_hash_handle hh;
};

/* What a process calls it: a path, behind the process's key. */
struct source_name {
	struct source *source; /* NULL: not to be had */
	size_t size;
	UT_hash_handle hh;
	char key[]; /* u32 key of the process, then the path */
};

struct source_cache {
	struct source *sources;
	struct source_name *names;
	size_t bytes;
};

int source_cache_new(struct source_cache **ret)
{
	struct source_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return -ENOMEM;
	*ret = cache;
	return 0;
}

static void source_cache_clear(struct source_cache *cache)
{
	struct source *source, *next_source;
	struct source_name *name, *next_name;

	HASH_ITER(hh, cache->names, name, next_name)
	{
		HASH_DEL(cache->names, name);
		free(name);
	}
	HASH_ITER(hh, cache->sources, source, next_source)
	{
		HASH_DEL(cache->sources, source);
		free(source->text);
		free(source);
	}
	cache->bytes = 0;
}

void source_cache_free(struct source_cache *cache)
{
	if (!cache)
		return;
	source_cache_clear(cache);
	free(cache);
}

/* Effective user, the second of four. */
static int user_read(int directory, u32 *ret)
{
	_cleanup_(free) char *status = NULL;
	size_t size;

	int err = proc_read(directory, "status", STATUS_MAX, &status, &size);
	if (err)
		return err;
	const char *uids = strstr(status, "\nUid:");
	return uids && sscanf(uids, "\nUid: %*u %u", ret) == 1 ? 0 : -EBADMSG;
}

/* When the process began, by the clock of files. */
static s64 process_start_ns(const struct process *process)
{
	struct timespec boot;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (s64)clock_realtime_ns() - (boot.tv_sec * (s64)NS_PER_S + boot.tv_nsec) + (s64)process->id.start_ns;
}

static int source_check(const struct stat *st, const struct process *process, u32 user)
{
	if (st->st_size > SOURCE_SIZE_MAX)
		return -EFBIG;
	/* Its owner cannot set a file's time of change, which moves with its contents, its owner, mode and place. */
	if (!process->id.start_ns ||
	    st->st_ctim.tv_sec * (s64)NS_PER_S + st->st_ctim.tv_nsec > process_start_ns(process))
		return -ESTALE;
	if ((st->st_mode & S_IROTH) || ((st->st_mode & S_IRUSR) && st->st_uid == user))
		return 0;
	return -EACCES;
}

static int source_open(const struct process *process, const char *path, struct stat *ret_stat, int *ret)
{
	int fd_ = -1, err = proc_open(&process->id, &fd_);
	u32 user;

	if (err)
		return err;
	_cleanup_(fd) int directory = fd_;
	err = process_root_open(process->id.pid, path, 0, &fd_);
	if (err)
		return err;
	_cleanup_(fd) int fd = fd_;
	/* It lives, so its pid was its own until now. */
	err = user_read(directory, &user);
	if (err)
		return err;
	if (fstat(fd, ret_stat))
		return -errno;
	err = source_check(ret_stat, process, user);
	if (!err)
		*ret = take_fd(fd);
	return err;
}

/* Finds or reads it. */
static int source_get(struct source_cache *cache, const struct process *process, const char *path, struct source **ret)
{
	_cleanup_(free) char *text = NULL;
	struct source *source;
	struct source_id id;
	struct stat st;
	size_t size;
	int fd_ = -1;

	int err = source_open(process, path, &st, &fd_);
	if (err)
		return err;
	_cleanup_(fd) int fd = fd_;
	id = (struct source_id){st.st_dev, st.st_ino, st.st_ctim.tv_sec, st.st_ctim.tv_nsec};
	HASH_FIND(hh, cache->sources, &id, sizeof(id), *ret);
	if (*ret)
		return 0;
	err = file_read_fd(fd, SOURCE_SIZE_MAX, &text, &size);
	if (err)
		return err;
	source = calloc(1, sizeof(*source));
	if (!source)
		return -ENOMEM;
	*source = (struct source){.id = id, .text = take(text), .size = size};
	HASH_ADD(hh, cache->sources, id, sizeof(source->id), source);
	cache->bytes += sizeof(*source) + size;
	*ret = source;
	return 0;
}

static bool is_source_path(const char *path)
{
	size_t size = strlen(path);

	return path[0] == '/' && size > 3 && !strcmp(path + size - 3, ".py");
}

static struct source_name *name_new(const struct process *process, const char *path)
{
	size_t length = strlen(path), size = sizeof(process->key) + length;
	struct source_name *name = malloc(sizeof(*name) + size);

	if (!name)
		return NULL;
	*name = (struct source_name){.size = size};
	memcpy(name->key, &process->key, sizeof(process->key));
	memcpy(name->key + sizeof(process->key), path, length);
	return name;
}

/* Finds or makes it, its file looked at. */
static int name_get(struct source_cache *cache, const struct process *process, const char *path,
		    struct source_name **ret)
{
	_cleanup_(free) struct source_name *name = name_new(process, path);
	struct source_name *known;

	if (!name)
		return -ENOMEM;
	HASH_FIND(hh, cache->names, name->key, name->size, known);
	if (known) {
		*ret = known;
		return 0;
	}
	if (process->exited)
		return -ENOENT;
	if (cache->bytes > SOURCE_BYTES_MAX)
		source_cache_clear(cache);
	if (source_get(cache, process, path, &name->source))
		name->source = NULL;
	cache->bytes += sizeof(*name) + name->size;
	HASH_ADD_KEYPTR(hh, cache->names, name->key, name->size, name);
	*ret = take(name);
	return 0;
}

int source_cache_put(struct source_cache *cache, const struct process *process, const char *path,
		     const struct line_position *at, struct strbuf *b)
{
	struct source_name *name;

	if (!is_source_path(path))
		return -ENOENT;
	int err = name_get(cache, process, path, &name);
	if (err)
		return err;
	return name->source ? expression_put(name->source->text, name->source->size, at, b) : -ENOENT;
}
