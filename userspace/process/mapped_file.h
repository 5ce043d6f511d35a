/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * mapped_file.h - the file behind mappings, shared by every process that maps
 * the same (device, inode): its ELF view and what CPython is in it, found once.
 *
 * Opened through /proc/PID/map_files, else under /proc/PID/root with
 * openat2(RESOLVE_IN_ROOT), else by path in our own root when device and inode
 * agree, so that containers, deleted files and processes that are gone already work. A file
 * of our own process that is not found so: by own_file.h.
 * Each ELF file in the cache holds one descriptor (MAPPED_FILE_ELF_MAX): raise RLIMIT_NOFILE. A cache
 * without descriptors opens its files anew for each batch of reads: for a library, in a program that may close what
 * it does not know.
 *
 * A file that was rewritten in place is another one (another id) for all who map it from then on. A cache without
 * descriptors tells also those who did before, for the pages that they map have changed, too: what cannot be read as it
 * was any more is looked for again.
 */
#ifndef PYPROF_MAPPED_FILE_H
#define PYPROF_MAPPED_FILE_H

#include "base/cleanup.h"
#include "elf/elf_file.h"
#include "process/mapping.h"
#include "python/python_file.h"

struct mapped_file {
	char *name; /* what people call it, see base/module_name.h */
	struct elf_file *elf; /* NULL: could not be opened, or no ELF file */
	struct python_file python; /* version 0: no CPython in it */
	u32 id; /* small and unique, never reused while the cache lives */
	u64 inode; /* as mappings say: 0 for the vDSO */
	u32 dev_major, dev_minor;
	bool debug_file_searched; /* for file_function.c, which does so once */
};

#define MAPPED_FILE_MAX	    4096
#define MAPPED_FILE_ELF_MAX 2048

struct mapped_file_cache;

struct mapped_file_cache *mapped_file_cache_new(void);
struct mapped_file_cache *mapped_file_cache_new_without_descriptors(void);
/* One without descriptors looks once more at each file that is asked for: something was mapped or unmapped. */
void mapped_file_cache_recheck(struct mapped_file_cache *cache);
void mapped_file_cache_free(struct mapped_file_cache *cache); /* after all references are gone */
DEFINE_CLEANUP(mapped_file_cache, struct mapped_file_cache *, mapped_file_cache_free)

/*
 * The file behind a mapping of process pid (0: gone), opened when nobody had it.
 * Fills mapping->file, which the mapping owns, or replaces it by that of the rewritten file; NULL when there is none
 * (anonymous memory), and asked once only. [vdso] is our own: one kernel has one for all.
 * Memory that holds a copy of a file's text (mapping->origin) is that file's.
 * Bounded: the least recently used files that nobody references are dropped.
 */
struct mapped_file *mapped_file_get(struct mapped_file_cache *cache, int pid, struct mapping *mapping);
struct mapped_file *mapped_file_ref(struct mapped_file *file);
void mapped_file_unref(struct mapped_file *file);

#endif
