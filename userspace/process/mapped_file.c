/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "process/mapped_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

/* Memory is short: the file just stays outside the cache's index. */
#define HASH_NONFATAL_OOM	   1
#define uthash_nonfatal_oom(entry) ((entry)->is_indexed = false)
#include <uthash.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/file_stamp.h"
#include "base/module_name.h"
#include "base/own_memory.h"
#include "process/mapping_origin.h"
#include "process/own_file.h"
#include "process/process_root.h"
#include "process/text_copy.h"

/*
 * A file that nobody maps any more is kept for the next process that does, but
 * not for long: our descriptor keeps its disk space and its mount busy.
 */
#define IDLE_KEEP_NS (60 * NS_PER_S)

/*
 * What makes a file this file. Device and inode alone do while we hold it open
 * ourselves, since its inode cannot be reused then, or can find it again
 * and see (elf_file_check). Two cases need more: a file that we neither hold nor
 * find (no ELF file), and file systems on which several files share what mappings
 * call (device, inode).
 */
struct file_key {
	u64 inode;
	u32 dev_major, dev_minor;
	struct file_stamp stamp; /* all 0: held; all STAMP_UNKNOWN: could not be opened */
};

#define STAMP_UNKNOWN 0xff

struct cached_file {
	struct mapped_file file; /* first, see cached_file_of */
	struct file_key key;
	struct mapped_file_cache *cache;
	u32 refs;
	bool is_indexed;
	bool is_replaced; /* by another entry, for it was rewritten */
	bool is_given_up; /* it was, or is gone, and nothing is there instead */
	u32 turn; /* of the cache when it was looked at last */
	u64 idle_ns; /* since when, if refs is 0 */
	struct cached_file *prev, *next; /* the idle ones, in order */
	UT_hash_handle hh;
};

struct mapped_file_cache {
	struct cached_file *index;
	struct cached_file *idle;
	u32 cnt, elf_cnt;
	u32 last_id;
	u32 turn;
	bool without_descriptors;
};

static struct cached_file *cached_file_of(struct mapped_file *file)
{
	return (struct cached_file *)file;
}

/* From those who map it from now on. */
static void cached_file_hide(struct cached_file *entry)
{
	if (entry->is_indexed)
		HASH_DEL(entry->cache->index, entry);
	entry->is_indexed = false;
}

static void cached_file_free(struct cached_file *entry)
{
	struct mapped_file_cache *cache = entry->cache;

	cached_file_hide(entry);
	cache->cnt--;
	cache->elf_cnt -= entry->file.elf != NULL;
	elf_file_unref(entry->file.elf);
	free(entry->file.name);
	free(entry);
}

static void cache_drop_oldest(struct mapped_file_cache *cache)
{
	struct cached_file *entry = cache->idle;

	DL_DELETE(cache->idle, entry);
	cached_file_free(entry);
}

static void cache_trim(struct mapped_file_cache *cache)
{
	u64 now_ns = clock_monotonic_ns();

	while (cache->idle && (cache->cnt >= MAPPED_FILE_MAX || cache->elf_cnt >= MAPPED_FILE_ELF_MAX ||
			       now_ns - cache->idle->idle_ns > IDLE_KEEP_NS))
		cache_drop_oldest(cache);
}

struct mapped_file_cache *mapped_file_cache_new(void)
{
	return calloc(1, sizeof(struct mapped_file_cache));
}

struct mapped_file_cache *mapped_file_cache_new_without_descriptors(void)
{
	struct mapped_file_cache *cache = mapped_file_cache_new();

	if (cache)
		cache->without_descriptors = true;
	return cache;
}

void mapped_file_cache_recheck(struct mapped_file_cache *cache)
{
	cache->turn++;
}

void mapped_file_cache_free(struct mapped_file_cache *cache)
{
	if (!cache)
		return;
	while (cache->idle)
		cache_drop_oldest(cache);
	free(cache);
}

struct mapped_file *mapped_file_ref(struct mapped_file *file)
{
	struct cached_file *entry = cached_file_of(file);

	if (!entry->refs++)
		DL_DELETE(entry->cache->idle, entry);
	return file;
}

static void cached_file_leave(struct cached_file *entry)
{
	if (--entry->refs)
		return;
	entry->idle_ns = clock_monotonic_ns();
	DL_APPEND(entry->cache->idle, entry);
}

void mapped_file_unref(struct mapped_file *file)
{
	struct cached_file *entry = cached_file_of(file);

	cached_file_leave(entry);
	cache_trim(entry->cache);
}

static struct cached_file *cache_find(struct mapped_file_cache *cache, const struct file_key *key)
{
	struct cached_file *entry;

	HASH_FIND(hh, cache->index, key, sizeof(*key), entry);
	return entry;
}

/* Takes over elf, also on failure (NULL). The new file is idle: a reference brings it to life. */
static struct cached_file *cache_add(struct mapped_file_cache *cache, const struct file_key *key, const char *path,
				     struct elf_file *elf)
{
	_cleanup_(elf_file) struct elf_file *owned = elf;

	cache_trim(cache);
	if (cache->cnt >= MAPPED_FILE_MAX)
		return NULL;

	struct cached_file *entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->file.name = module_name_of_path(path);
	if (!entry->file.name) {
		free(entry);
		return NULL;
	}
	entry->file.elf = take(owned);
	entry->file.id = ++cache->last_id;
	entry->file.inode = key->inode;
	entry->file.dev_major = key->dev_major;
	entry->file.dev_minor = key->dev_minor;
	if (elf && python_file_inspect(elf, &entry->file.python))
		entry->file.python = (struct python_file){0};

	entry->key = *key;
	entry->cache = cache;
	entry->turn = cache->turn;
	entry->is_indexed = true;
	HASH_ADD(hh, cache->index, key, sizeof(entry->key), entry);
	entry->idle_ns = clock_monotonic_ns();
	DL_APPEND(cache->idle, entry);
	cache->cnt++;
	cache->elf_cnt += elf != NULL;
	return entry;
}

/* Whether the file still holds what it did: one system call by its descriptor, three without. */
static bool cached_file_is_current(struct cached_file *entry)
{
	struct elf_file *elf = entry->file.elf;
	bool was_lost = elf && elf_file_is_lost(elf);
	int err = elf ? elf_file_check(elf) : 0;

	/* While no file can be opened, nobody knows. */
	if (err == -EMFILE || err == -ENFILE)
		return true;
	entry->turn = entry->cache->turn;
	entry->is_given_up = false;
	/* What was asked for while it was lost is noted as unknown by others, who go by the id: so it gets another. */
	return !err && !was_lost;
}

/*
 * A mapping's (device, inode) is the superblock's device. On btrfs each
 * subvolume has its own in stat(2), and inodes are numbered per subvolume. On
 * overlayfs it may be the device of the layer below, and inodes are numbered per
 * layer. So where the devices differ, and the file system is not of that kind, it
 * is another file; if it is, another file may have the same numbers.
 */
static bool device_is_layered(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && (fs.f_type == BTRFS_SUPER_MAGIC || fs.f_type == OVERLAYFS_SUPER_MAGIC);
}

/* -EACCES: opening a device may do things. */
static int file_status(int fd, struct stat *ret)
{
	if (fstat(fd, ret))
		return -errno;
	return S_ISREG(ret->st_mode) ? 0 : -EACCES;
}

/*
 * Whether an O_PATH descriptor is the mapping's file: a path may lead to another
 * one by now. Completes the key for the case that the file will not be held.
 */
static int file_verify(int fd, const struct mapping *mapping, struct file_key *key, bool *ret_shares_inodes)
{
	struct stat st;

	int err = file_status(fd, &st);
	if (err)
		return err;
	bool same_device = major(st.st_dev) == mapping->dev_major && minor(st.st_dev) == mapping->dev_minor;
	if (st.st_ino != mapping->inode || (!same_device && !device_is_layered(fd)))
		return -ESTALE;

	key->stamp = file_stamp_of(&st);
	*ret_shares_inodes = !same_device;
	return 0;
}

/* An unopened file, and the path that led there. */
struct place {
	int fd; /* O_PATH */
	char *path;
};

#define PLACE_NONE       \
	(struct place)   \
	{                \
		.fd = -1 \
	}

static void place_cleanup_(struct place *place)
{
	fd_cleanup_(&place->fd);
	free(place->path);
}

/* Takes over fd, also on failure. */
static int place_at(int fd_, const char *directory, const char *name, struct place *ret)
{
	_cleanup_(fd) int fd = fd_;
	char *path;

	if (asprintf(&path, "%s%s", directory, name) < 0)
		return -ENOMEM;
	*ret = (struct place){.fd = take_fd(fd), .path = path};
	return 0;
}

/*
 * Needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE, and the very range. Leads to deleted files and memfds too. Not
 * when the process's first thread has ended, for the others have no such directory.
 */
static int place_map_files(int pid, const struct mapping *mapping, struct place *ret)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", pid, mapping->start, mapping->end);
	int fd = open(path, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : place_at(fd, path, "", ret);
}

static int place_root_of_process(int pid, const struct mapping *mapping, struct place *ret)
{
	char root[48] = "";
	int fd;

	if (mapping->path[0] != '/')
		return -ENOENT;
	int err = process_root_find(pid, mapping->path, O_NOFOLLOW, 0, &fd);
	if (err)
		return err;
	if (pid)
		snprintf(root, sizeof(root), "/proc/%d/root", pid);
	return place_at(fd, root, mapping->path, ret);
}

static int place_own_root(int pid, const struct mapping *mapping, struct place *ret)
{
	return place_root_of_process(0, mapping, ret);
}

/*
 * By its inode among all that the process has mapped: the range that we know may be
 * parted or joined by now, as no event tells of munmap. The last resort, for it
 * costs a few microseconds a mapping.
 */
static int place_any_map_files(int pid, const struct mapping *mapping, struct place *ret)
{
	const struct dirent *entry;
	struct file_key ignored;
	bool ignored_too;
	struct statx st;
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/map_files/", pid);
	_cleanup_(directory) DIR *directory = opendir(path);
	for (int i = 0; directory && i < MAPPING_TABLE_MAX && (entry = readdir(directory)); i++) {
		/* Most are files that we have no business with: nobody far away is asked. */
		if (statx(dirfd(directory), entry->d_name, AT_STATX_DONT_SYNC, STATX_INO, &st) ||
		    st.stx_ino != mapping->inode)
			continue;
		_cleanup_(fd) int fd = openat(dirfd(directory), entry->d_name, O_PATH | O_CLOEXEC);
		if (fd >= 0 && !file_verify(fd, mapping, &ignored, &ignored_too))
			return place_at(take_fd(fd), path, entry->d_name, ret);
	}
	return -ENOENT;
}

enum { OF_OTHERS = 1, OF_OURSELVES = 2, OF_THE_GONE = 4 };

/*
 * Where the mapping's file is. Fills the key's stamp. Of our own, first by the path that leads there also
 * when it is mapped elsewhere or no more.
 */
static int file_locate(int pid, const struct mapping *mapping, struct file_key *key, bool *ret_shares_inodes,
		       struct place *ret)
{
	static const struct {
		int (*find)(int pid, const struct mapping *mapping, struct place *ret);
		int whose;
	} places[] = {
		{place_own_root, OF_OURSELVES},
		{place_map_files, OF_OTHERS | OF_OURSELVES},
		{place_root_of_process, OF_OTHERS},
		{place_own_root, OF_OTHERS | OF_THE_GONE},
		{place_any_map_files, OF_OTHERS | OF_OURSELVES},
	};
	int whose = pid == getpid() ? OF_OURSELVES : pid ? OF_OTHERS : OF_THE_GONE;
	int err = -ENOENT;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		_cleanup_(place) struct place place = PLACE_NONE;

		if (!(places[i].whose & whose))
			continue;
		err = places[i].find(pid, mapping, &place);
		if (!err)
			err = file_verify(place.fd, mapping, key, ret_shares_inodes);
		if (!err) {
			*ret = place;
			place = PLACE_NONE;
			return 0;
		}
		if (err == -EMFILE || err == -ENFILE)
			break;
	}
	return err;
}

/* O_NONBLOCK for leases and whatever else might let us wait. NULL: no ELF file, or not readable. */
static struct elf_file *file_load(const struct mapped_file_cache *cache, const struct place *place, const char *name)
{
	struct elf_file *elf;
	char path[48];

	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", place->fd);
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	int err = cache->without_descriptors ? elf_file_open_by_path(fd, place->path, name, &elf)
					     : elf_file_open_fd(fd, name, &elf);
	return err ? NULL : elf;
}

/*
 * A file of our own process that nothing above leads to. It has no held key: what the
 * mapping calls it, it is not called.
 */
static struct cached_file *cache_get_own(struct mapped_file_cache *cache, const struct mapping *mapping,
					 struct file_key *key)
{
	_cleanup_(place) struct place place = PLACE_NONE;
	struct stat st;

	place.fd = own_file_find(mapping, &place.path);
	if (place.fd < 0 || file_status(place.fd, &st))
		return NULL;
	key->stamp = file_stamp_of(&st);
	struct cached_file *entry = cache_find(cache, key);
	if (entry)
		return entry;

	cache_trim(cache);
	_cleanup_(elf_file) struct elf_file *elf = NULL;
	if (cache->elf_cnt < MAPPED_FILE_ELF_MAX)
		elf = file_load(cache, &place, mapping->path);
	if (!elf || !own_file_matches(mapping, elf))
		return NULL;
	return cache_add(cache, key, mapping->path, take(elf));
}

static struct cached_file *cache_get(struct mapped_file_cache *cache, int pid, const struct mapping *mapping)
{
	struct file_key held = {
		.inode = mapping->inode,
		.dev_major = mapping->dev_major,
		.dev_minor = mapping->dev_minor,
	};
	struct file_key key = held;
	bool shares_inodes = false;

	struct cached_file *entry = cache_find(cache, &held);
	if (entry && cached_file_is_current(entry))
		return entry;
	if (entry)
		cached_file_hide(entry);

	_cleanup_(place) struct place place = PLACE_NONE;
	int err = file_locate(pid, mapping, &key, &shares_inodes, &place);
	while ((err == -EMFILE || err == -ENFILE) && cache->idle) {
		cache_drop_oldest(cache);
		err = file_locate(pid, mapping, &key, &shares_inodes, &place);
	}
	if (err && pid == getpid() && (entry = cache_get_own(cache, mapping, &key)))
		return entry;
	if (err)
		memset(&key.stamp, STAMP_UNKNOWN, sizeof(key.stamp));
	entry = cache_find(cache, &key);
	if (entry)
		return entry;

	cache_trim(cache);
	struct elf_file *elf = NULL;
	if (!err && cache->elf_cnt < MAPPED_FILE_ELF_MAX)
		elf = file_load(cache, &place, mapping->path);
	return cache_add(cache, elf && !shares_inodes ? &held : &key, mapping->path, elf);
}

/* Where our own vDSO lies. */
static int find_own_vdso(struct mapping_table **table, const struct mapping **ret)
{
	_cleanup_(free) char *maps = NULL;
	size_t size;

	int err = file_read("/proc/thread-self/maps", 16 << 20, &maps, &size);
	if (!err)
		err = mapping_table_parse(table, maps, size);
	if (err)
		return err;
	for (size_t i = 0; i < mapping_table_cnt(*table); i++) {
		const struct mapping *mapping = mapping_table_at(*table, i);

		if (!strcmp(mapping->path, "[vdso]")) {
			*ret = mapping;
			return 0;
		}
	}
	return -ENOENT;
}

/*
 * The vDSO of a 64-bit process is the same text everywhere, so we read our own:
 * nobody can lie to us about it, and the process may be gone. A 32-bit process
 * has another one, below 4 GiB.
 */
static struct cached_file *cache_get_vdso(struct mapped_file_cache *cache, const struct mapping *mapping)
{
	_cleanup_(mapping_table) struct mapping_table *table = mapping_table_new();
	const struct mapping *own;
	struct file_key key = {0};
	struct elf_file *elf;

	if (mapping->start <= UINT32_MAX)
		return NULL;
	struct cached_file *entry = cache_find(cache, &key);
	if (entry)
		return entry;
	if (!table || find_own_vdso(&table, &own))
		return NULL;
	if (elf_file_open_memory((const void *)own->start, own->end - own->start, own->path, &elf))
		return NULL;
	return cache_add(cache, &key, own->path, elf);
}

/* Shared memory that has a name and an inode, but is data or a JIT's code. */
static bool is_nameless_memory(const char *path)
{
	static const char *const prefixes[] = {"/dev/zero", "/SYSV", "//anon", "/anon_hugepage", "[anon"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (!strncmp(path, prefixes[i], strlen(prefixes[i])))
			return true;
	}
	return false;
}

/* The file whose text was moved into this memory, NULL if it was not. */
static struct cached_file *cache_get_origin(struct mapped_file_cache *cache, int pid, struct mapping *mapping)
{
	const struct remote_memory memory = own_or_remote_memory(pid);
	struct mapping_origin *origin = mapping->origin;
	const struct mapping file = {
		.start = mapping->start,
		.end = mapping->end,
		.inode = origin->inode,
		.dev_major = origin->dev_major,
		.dev_minor = origin->dev_minor,
		.path = origin->path,
	};

	if (!pid || origin->tries >= MAPPING_ORIGIN_TRIES_MAX)
		return NULL;
	struct cached_file *entry = cache_get(cache, pid, &file);
	if (!entry || !entry->file.elf ||
	    !text_copy_matches(&memory, file.start, file.end - file.start, entry->file.elf, origin->file_offset)) {
		origin->tries++;
		return NULL;
	}
	mapping_accept_origin(mapping);
	return entry;
}

/* NULL: there is none. */
static struct cached_file *cache_get_file(struct mapped_file_cache *cache, int pid, struct mapping *mapping)
{
	struct cached_file *entry = NULL;

	if (mapping->inode && !is_nameless_memory(mapping->path))
		entry = cache_get(cache, pid, mapping);
	else if (!strcmp(mapping->path, "[vdso]"))
		entry = cache_get_vdso(cache, mapping);
	if (mapping->origin && (!entry || !entry->file.elf)) {
		struct cached_file *origin = cache_get_origin(cache, pid, mapping);

		entry = origin ? origin : entry;
	}
	return entry;
}

/* Cheap while nothing happens, for each frame asks. */
static bool is_due(const struct cached_file *entry)
{
	const struct elf_file *elf = entry->file.elf;

	if (!entry->cache->without_descriptors || !elf)
		return false;
	return entry->is_replaced || entry->turn != entry->cache->turn ||
	       (elf_file_is_lost(elf) && !entry->is_given_up);
}

/* What a mapping's file is now. One that is gone, and nothing there instead, stays what it was known to be. */
static void mapping_recheck_file(struct mapped_file_cache *cache, int pid, struct mapping *mapping)
{
	struct cached_file *old = cached_file_of(mapping->file), *entry;

	if (!old->is_replaced && cached_file_is_current(old))
		return;
	cached_file_hide(old);
	entry = cache_get_file(cache, pid, mapping);
	if (!entry || !entry->file.elf) {
		old->is_given_up = true;
		return;
	}
	old->is_replaced = true;
	mapping->file = mapped_file_ref(&entry->file);
	/* Whoever asks may look at the old one still, so it is not dropped here. */
	cached_file_leave(old);
}

struct mapped_file *mapped_file_get(struct mapped_file_cache *cache, int pid, struct mapping *mapping)
{
	struct cached_file *entry;

	if (mapping->file && is_due(cached_file_of(mapping->file)))
		mapping_recheck_file(cache, pid, mapping);
	if (mapping->file || mapping->file_failed)
		return mapping->file;
	entry = cache_get_file(cache, pid, mapping);
	if (entry)
		mapping->file = mapped_file_ref(&entry->file);
	else
		mapping->file_failed = true;
	return mapping->file;
}
