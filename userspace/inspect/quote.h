/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * quote.h - texts of another process between quotes, with escapes, as repr() of its
 * version has them: 'str', b'bytes', and in 2.7 u'unicode'. max: characters or
 * bytes; what is longer ends in U+2026. Nothing is appended on failure.
 */
#ifndef PYPROF_PYTHON_QUOTE_H
#define PYPROF_PYTHON_QUOTE_H

#include "inspect/object.h"

#define PYTHON_QUOTE_MAX 4096 /* max is cut to this */

int python_quote_text(struct strbuf *b, const struct python_objects *objects, u64 address, size_t max);
int python_quote_bytes(struct strbuf *b, const struct python_objects *objects, u64 address, size_t max);

#endif
