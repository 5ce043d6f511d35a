/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * spool_record.h - one message as a file of the spool's folder: a head, then the body as it is sent.
 * Files are read back by another run, maybe after the machine stopped in the midst of a write, so
 * nothing in them is believed that its checksum does not say. Pure.
 *
 * No address, user, password or token is in it: which destination it is for is told by
 * a hash, so that what was meant for one never goes to another.
 */
#ifndef PYPROF_SPOOL_RECORD_H
#define PYPROF_SPOOL_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "pyprof/types.h"

#define SPOOL_BODY_MAX	 (64u << 20) /* bytes; what engines take is less */
#define SPOOL_NAME_SIZE	 24 /* with NUL */
#define SPOOL_NUMBER_MAX (1ull << 62) /* beyond, counting on would come to an end */

/* Little endian. */
struct spool_head {
	char magic[8]; /* "pyprofsp" */
	u32 version; /* 1 */
	u32 body_size;
	u64 destination; /* spool_destination() */
	u64 body_hash; /* XXH3, 64 bits */
	u64 head_hash; /* likewise, of all before it */
};
_Static_assert(sizeof(struct spool_head) == 40, "has no holes: it is a file format");

/* kind: "otlp"; url: without user and password. Stable from run to run. */
u64 spool_destination(const char *kind, const char *url);
void spool_head_fill(struct spool_head *head, u64 destination, const void *body, u32 size);
/* head: size bytes of the file's beginning; file_size: of all of it. -EBADMSG: it does not add up. */
int spool_head_read(const void *bytes, size_t size, u64 file_size, struct spool_head *ret);
bool spool_body_is(const struct spool_head *head, const void *body, size_t size);

/* Files are named by the message's number, so that they sort by age. */
void spool_name(u64 number, char ret[SPOOL_NAME_SIZE]);
/* -ENOENT: none of ours. Exactly what spool_name() writes is. */
int spool_name_read(const char *name, u64 *ret);
/* A file that was being written when its program died. */
bool spool_name_is_temporary(const char *name);

#endif
