/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* thread_listing.h - what the kernel said of all threads of a process, kept: to be looked up, and compared with later. */
#ifndef PYPROF_THREAD_LISTING_H
#define PYPROF_THREAD_LISTING_H

#include "capture/thread_capture.h"

struct thread_listing {
	u8 *bytes; /* records, each with its kernel stack, 8-byte aligned */
	size_t size, capacity;
	size_t *offsets; /* in order of their tids */
	size_t cnt, offset_capacity;
};

void thread_listing_deinit(struct thread_listing *listing);
/* Forgets what it has and asks anew. */
int thread_listing_read(struct thread_listing *listing, struct thread_capture *capture, u32 pid, bool with_stacks);

const struct thread_record *thread_listing_at(const struct thread_listing *listing, size_t i);
/* NULL: not there. */
const struct thread_record *thread_listing_find(const struct thread_listing *listing, u32 tid);
/* By thread pointer; none has 0. */
const struct thread_record *thread_listing_find_pointer(const struct thread_listing *listing, u64 thread_pointer);

/* The thread did not run between these two: what was read meanwhile is how it stood. */
static inline bool thread_record_held_still(const struct thread_record *before, const struct thread_record *after)
{
	return !((before->flags | after->flags) & THREAD_ON_CPU) && before->switches == after->switches;
}

#endif
