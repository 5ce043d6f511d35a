/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * spool.h - what waits to be sent, for all destinations together: in memory up to a bound, then on disk up
 * to another if there is a folder. When both are full the oldest of all goes: a destination that is
 * down for hours takes the others' room only with what is newer than theirs.
 *
 * Of a destination whose last delivery failed, disk comes first: that may take long, and a program that is
 * killed then loses what was under way, and the little that came before the first failure was known. Before
 * a wait that somebody may cut short, spool_save() puts that on disk, too.
 *
 * Each destination takes its own in order. What is taken is under way: it is not dropped, and its memory
 * is not counted, until it is removed (delivered, or refused) or released (it waits again, in its old
 * place) or set aside: then it holds up no others, but is as old as before when room is needed, and
 * in its old place for the next run. Not thread-safe but for spool_load().
 */
#ifndef PYPROF_SPOOL_H
#define PYPROF_SPOOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/types.h"

#define SPOOL_MESSAGES_MAX (1u << 16)

struct spool_options {
	const char *path; /* NULL: memory alone */
	u64 memory_max, disk_max; /* bytes */
	const u64 *destinations; /* spool_destination() of each; borrowed for spool_new() */
	size_t destination_cnt;
};

struct spool_message {
	u32 destination; /* index; destination_cnt: one of an earlier run's that this one does not have */
	u32 attempts, stumbles; /* the sender's */
	u64 sent_mark; /* likewise */
	u32 size;
	bool is_aside; /* spool_set_aside() */
	void *body; /* NULL: on disk, not loaded */

	/* rest is for spool.c */
	u64 number;
	bool in_memory, on_disk, taken;
	u64 until_ns; /* aside: not before */
	struct spool_message *prev, *next; /* of all, by age */
	struct spool_message *prev_own, *next_own; /* of its destination: those in order, or those aside */
};

/* Of one destination. */
struct spool_counts {
	u64 waiting, waiting_bytes; /* under way too */
	u64 dropped; /* there was no room */
	u64 damaged; /* files that were not what was written */
};

struct spool;

/* Takes up what is in the folder. On failure *ret_step says in words what was refused. */
int spool_new(const struct spool_options *options, struct spool **ret, const char **ret_step);
void spool_free(struct spool *spool); /* what is not on disk is gone */
DEFINE_CLEANUP(spool, struct spool *, spool_free)

/* The bytes are copied. -ENOMEM, -EFBIG: it was dropped, and counted. 0 also when others were dropped for it. */
int spool_put(struct spool *spool, u32 destination, const void *body, size_t size);
/* The oldest of a destination that is not set aside, NULL: nothing waits. One at a time for each destination. */
struct spool_message *spool_take(struct spool *spool, u32 destination);
/* Of what is set aside and due, what was so first; NULL: there is none. */
struct spool_message *spool_take_aside(struct spool *spool, u32 destination, u64 now_ns);
/* Since when, or from when on, one of these has something to take; UINT64_MAX: nothing waits. */
u64 spool_due_ns(const struct spool *spool, u32 destination);
/* Of a message that is taken: its body is in memory then. From any thread. -EBADMSG, -ENOENT: its file is not what was written. */
int spool_load(struct spool *spool, struct spool_message *message);
void spool_release(struct spool *spool, struct spool_message *message); /* may drop it, when all is full */
/* Likewise. Others come first now, and it does not come before until_ns. */
void spool_set_aside(struct spool *spool, struct spool_message *message, u64 until_ns);
void spool_hurry(struct spool *spool, u32 destination); /* all that is set aside is due now */
void spool_remove(struct spool *spool, struct spool_message *message);
void spool_remove_damaged(struct spool *spool, struct spool_message *message);
/* All that has room there goes to disk, also what is under way; nothing is dropped for it. */
void spool_save(struct spool *spool);
/* The end: all that waits in memory goes to disk, what has no room there is dropped. */
void spool_keep(struct spool *spool);

/* destination_cnt: of destinations that this run does not have. */
void spool_counts(const struct spool *spool, u32 destination, struct spool_counts *ret);
/* Why the disk could not be written to, since the last time it could. 0: it can. */
int spool_disk_error(const struct spool *spool);

#endif
