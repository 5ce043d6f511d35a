/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sideband_record.h - the bytes of the perf side-band, read without touching
 * the world: a ring of variable-sized records, and what one of them says.
 */
#ifndef PYPROF_SIDEBAND_RECORD_H
#define PYPROF_SIDEBAND_RECORD_H

#include <limits.h>
#include <stddef.h>

#include "pyprof/record.h"

/* The size of a perf record is a u16. */
#define RING_RECORD_MAX 65536

/*
 * The part of a ring that the kernel has filled. Positions only grow; a
 * position's place in the data is position modulo size, so records wrap.
 */
struct perf_ring {
	const void *data; /* borrowed */
	size_t size; /* a power of two */
	u64 head; /* the kernel's: where it writes next */
	u64 tail; /* ours: what is before it may be overwritten */
	u8 *scratch; /* RING_RECORD_MAX bytes, in which a record that wraps is put together; borrowed */
};

/*
 * The next record, behind which the tail moves; valid until the next call and
 * until the tail is given to the kernel. NULL when there is none. -EBADMSG:
 * what is there cannot be a record, and all of it was skipped.
 */
int perf_ring_next(struct perf_ring *ring, const void **ret, size_t *ret_size);

/* What one side-band record becomes. */
struct sideband_record {
	struct mapping_record mapping;
	char path[PATH_MAX + 8];
};

/*
 * Reads a perf record of an event that is set up as in sideband.c. The result
 * is a struct record: RECORD_MAPPING or RECORD_MAPPINGS_LOST. -ENOMSG: nothing
 * that concerns mappings; -EBADMSG: makes no sense.
 */
int sideband_record_parse(const void *data, size_t size, struct sideband_record *ret);

#endif
