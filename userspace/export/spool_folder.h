/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * spool_folder.h - the folder in which messages outlive the program: one file each (spool_record.h).
 *
 * It is ours alone: made with mode 0700 when it is missing, refused when it belongs to somebody else, when
 * others may write into it, when it is a symlink, and when another profiler uses it. A file appears whole
 * or not at all, as far as programs go: it is renamed into place. It is not synced, for what waits for a
 * network is not worth a wait for the disk: a machine that stops may lose the last half minute, and a
 * file that it left torn is known by its checksum.
 *
 * Has no state but its descriptors: any thread may call, as long as two do not ask for the same number.
 */
#ifndef PYPROF_SPOOL_FOLDER_H
#define PYPROF_SPOOL_FOLDER_H

#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/types.h"

struct spool_folder;

/* On failure *ret_step says in words what was refused. */
int spool_folder_open(const char *path, struct spool_folder **ret, const char **ret_step);
void spool_folder_close(struct spool_folder *folder);
DEFINE_CLEANUP(spool_folder, struct spool_folder *, spool_folder_close)

/* One file that is there: its head adds up with its size. */
struct spool_file {
	u64 number, destination;
	u32 body_size;
};

struct spool_listing {
	size_t cnt, damaged;
	u64 next_number; /* larger than that of any file there, read or not */
	u64 unread_size; /* bytes of those that are ours by their name and could not be read just now: they stay */
};

/*
 * All that are there, oldest first, to be freed; max at most, the others count as unread. Removes what is ours
 * by its name but does not add up (damaged), and what was never finished. Leaves everything else alone.
 */
int spool_folder_list(struct spool_folder *folder, size_t max, struct spool_file **ret,
		      struct spool_listing *ret_listing);
int spool_folder_write(struct spool_folder *folder, u64 number, u64 destination, const void *body, u32 size);
/* The body, to be freed. -EBADMSG: it is not what was written. */
int spool_folder_read(struct spool_folder *folder, u64 number, u64 destination, void **ret, size_t *ret_size);
void spool_folder_remove(struct spool_folder *folder, u64 number);

#endif
