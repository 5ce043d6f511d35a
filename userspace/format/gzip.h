/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* gzip.h - bytes to a stream, packed; and packed bytes as they were. */
#ifndef PYPROF_GZIP_H
#define PYPROF_GZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/cleanup.h"

struct gzip_writer;

enum gzip_effort {
	GZIP_SMALL, /* for files */
	GZIP_FAST, /* some three times faster, and a quarter larger: for what is made while others wait */
	GZIP_STORED, /* for what is packed already */
};

/* out is borrowed. The same bytes give the same file: no time is written into it. */
int gzip_writer_new(FILE *out, enum gzip_effort effort, struct gzip_writer **ret);
void gzip_writer_free(struct gzip_writer *writer);
DEFINE_CLEANUP(gzip_writer, struct gzip_writer *, gzip_writer_free)

int gzip_writer_put(struct gzip_writer *writer, const void *bytes, size_t size);
int gzip_writer_finish(struct gzip_writer *writer);

/* All at once, to be freed. */
int gzip_pack(const void *bytes, size_t size, enum gzip_effort effort, void **ret, size_t *ret_size);

/* Does it begin as a gzip file does? */
bool gzip_is(const void *bytes, size_t size);
/*
 * All that is packed, to be freed; members that follow each other are one. -EBADMSG:
 * it is no whole gzip file. -EFBIG: more than limit bytes: a file of a megabyte
 * may hold a gigabyte.
 */
int gzip_unpack(const void *bytes, size_t size, size_t limit, void **ret, size_t *ret_size);

#endif
