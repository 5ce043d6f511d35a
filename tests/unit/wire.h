/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * wire.h - protobuf's encoding, read without any schema and without what writes it:
 * a second opinion. Fails the test at what is not well formed.
 */
#ifndef PYPROF_TESTS_WIRE_H
#define PYPROF_TESTS_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "pyprof/types.h"

struct wire {
	const u8 *at, *end;
};

struct wire_field {
	u32 number;
	u32 type; /* 0 varint, 1 eight bytes, 2 a piece, 5 four bytes */
	u64 value; /* of 0, 1 and 5 */
	struct wire piece; /* of 2 */
};

struct wire wire_of(const void *bytes, size_t size);
bool wire_next(struct wire *wire, struct wire_field *ret);
u64 wire_varint(struct wire *wire);
size_t wire_size(const struct wire *wire);

/* Numbers of a repeated field, packed or not; at most max of them. Gives how many there are now. */
size_t wire_numbers(const struct wire_field *field, u64 *numbers, size_t cnt, size_t max);
/* A string, to be freed: valid UTF-8, without NUL. */
char *wire_text(const struct wire_field *field);

/* RFC 3629, to the letter. */
bool utf8_is_valid(const u8 *bytes, size_t size);

/* The content of one gzip file, to be freed. */
u8 *gunzip(const void *bytes, size_t size, size_t *ret_size);

#endif
