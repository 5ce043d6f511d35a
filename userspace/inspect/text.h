/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * text.h - the characters of a str of any version and kind, and of 2.7's unicode, as
 * they are: for those who quote or compare them. As UTF-8: object_text(), string.h.
 */
#ifndef PYPROF_PYTHON_TEXT_H
#define PYPROF_PYTHON_TEXT_H

#include "inspect/object.h"

struct python_text {
	u64 address; /* of the units */
	u64 length; /* how many; not bounded yet */
	u32 unit_size; /* bytes: 1, 2 or 4 */
	bool is_bytes; /* 2.7's str: units are bytes of no certain encoding */
	bool is_utf16; /* 2.7's unicode of 2 bytes a unit: larger characters are two of them */
};

#define PYTHON_TEXT_LENGTH_MAX (1ull << 40) /* no real one is longer */

/* -EINVAL: no str (nor, in 2.7, unicode). */
int python_text_find(const struct python_objects *objects, u64 address, struct python_text *ret);

/* The first characters, at most max of them, as code points; *cnt says how many. A surrogate comes as it is. */
int python_text_read(const struct python_objects *objects, const struct python_text *text, size_t max, u32 *ret,
		     size_t *cnt);

/* A character as UTF-8, as object_text() has it: what is none becomes U+FFFD, NUL becomes '?'. */
void python_point_put(struct strbuf *b, u32 point);

#endif
