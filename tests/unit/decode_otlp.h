/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * decode_otlp.h - an OTLP profiles message as a test looks at it: decoded from the bytes
 * alone, the protocol's rules checked on the way.
 */
#ifndef PYPROF_TESTS_DECODE_OTLP_H
#define PYPROF_TESTS_DECODE_OTLP_H

#include <stddef.h>

/* All of it as text, stacks with names; to be freed. Fails the test where a rule is broken. */
char *otlp_text_of(const void *bytes, size_t size);
/* Its samples as folded output with lines, pids and threads has them, sorted; to be freed. */
char *otlp_folded_of(const void *bytes, size_t size);

#endif
