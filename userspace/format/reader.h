/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * reader.h - bytes that somebody else wrote to a profile: folded text and pprof. Nothing
 * in them is believed: every index is checked, every table is bounded.
 */
#ifndef PYPROF_READER_H
#define PYPROF_READER_H

#include "base/cleanup.h"
#include "profile/common_labels.h"
#include "profile/profile.h"

struct strbuf;

/* More frames than any stack that a profiler keeps. */
#define READ_DEPTH_MAX 8192
/* Faster than any clock is sampled: what a file says beyond is not believed. */
#define READ_HZ_MAX 1000000

struct read_profile {
	struct profile_tables tables;
	struct profile *profile;
	struct truth truth; /* from_file */
	struct view view; /* what the file tells apart */
	struct common_labels common; /* the profile's: so this struct may not move */
	u64 lost; /* samples that it says are missing, without a reason */
	u64 skipped; /* lines or samples without a count */
};

void read_profile_deinit(struct read_profile *read);

/*
 * Fills *ret in any case. -EBADMSG: `why` says in one phrase what is wrong with it.
 * -EFBIG, -ENOSPC: it is larger than we read. -ENOMEM.
 */
int profile_read(const void *bytes, size_t size, struct read_profile *ret, struct strbuf *why);

/* What profile_read() chooses from by how the bytes begin. */
int folded_read(const void *bytes, size_t size, struct read_profile *ret, struct strbuf *why);
int pprof_read(const void *bytes, size_t size, struct read_profile *ret, struct strbuf *why);

/* For readers. */
int read_string(struct read_profile *read, const char *text, size_t size, u32 *ret);
/* By all that is known of it: kind, function, file, line, address; of native and kernel frames file_id, and no line. */
int read_frame(struct read_profile *read, const struct frame *frame, u32 *ret);
/* A frame "[unknown: REASON]" or "[unmerged]"; -ENOENT: the text is none of ours. */
int read_bracketed(struct read_profile *read, const char *text, size_t size, u32 *ret);
int read_sample(struct read_profile *read, const struct origin *origin, u32 stack, u64 samples);

#endif
