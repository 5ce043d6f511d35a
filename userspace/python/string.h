/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * string.h - the text of a str. Every kind (ASCII, Latin-1, UCS-2, UCS-4), compact or
 * legacy, becomes UTF-8; so do the plain bytes of 2.7.
 */
#ifndef PYPROF_PYTHON_STRING_H
#define PYPROF_PYTHON_STRING_H

#include "base/strbuf.h"
#include "base/remote_memory.h"
#include "pyprof/python_abi.h"

#define PYTHON_STRING_MAX 4096 /* characters; what is longer is cut and ends in U+2026 */

/* Appends the text; lone surrogates, and bytes that are not UTF-8, become U+FFFD. -EINVAL: no string; -EFAULT: not readable. */
int python_string_read(const struct remote_memory *memory, const struct python_layout *layout, u64 address,
		       struct strbuf *b);
/* The same of a file's name: the bytes that os.fsencode() makes of it, so that it can be opened; maybe no UTF-8. */
int python_path_read(const struct remote_memory *memory, const struct python_layout *layout, u64 address,
		     struct strbuf *b);

#endif
