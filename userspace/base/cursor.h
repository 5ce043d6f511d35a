/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cursor.h - bounds-checked reading of bytes that somebody else wrote. The first
 * read past the end sticks: it and every later one give 0, so that a parser
 * reads straight down and asks once for `bad`.
 */
#ifndef PYPROF_CURSOR_H
#define PYPROF_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "pyprof/types.h"

struct cursor {
	const u8 *at, *end;
	bool bad;
};

static inline struct cursor cursor_of(const void *data, size_t size)
{
	return (struct cursor){.at = data, .end = (const u8 *)data + size};
}

static inline size_t cursor_left(const struct cursor *c)
{
	return c->bad ? 0 : (size_t)(c->end - c->at);
}

/* NULL when fewer than size bytes are left. */
static inline const void *cursor_take(struct cursor *c, size_t size)
{
	if (cursor_left(c) < size) {
		c->bad = true;
		return NULL;
	}
	const u8 *at = c->at;
	c->at += size;
	return at;
}

/* Little endian and unaligned, as all that we read is. */
#define DEFINE_CURSOR_READ(type)                               \
	static inline type cursor_##type(struct cursor *c)     \
	{                                                      \
		const void *at = cursor_take(c, sizeof(type)); \
		type value = 0;                                \
		if (at)                                        \
			memcpy(&value, at, sizeof(value));     \
		return value;                                  \
	}

DEFINE_CURSOR_READ(u8)
DEFINE_CURSOR_READ(u16)
DEFINE_CURSOR_READ(u32)
DEFINE_CURSOR_READ(u64)

#endif
