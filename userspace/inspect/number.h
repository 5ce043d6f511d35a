/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* number.h - floats and ints as repr() writes them. */
#ifndef PYPROF_PYTHON_NUMBER_H
#define PYPROF_PYTHON_NUMBER_H

#include "inspect/object.h"

/* Of CPython's base 2^30: 578 decimal digits. A longer one is `<int of N digits>`, N being one more just below 10^N. */
#define PYTHON_INT_DIGITS_MAX 64

/* The shortest text that is read back as the same number. */
void python_float_put(struct strbuf *b, double value);

/* An int, or 2.7's int or long (`7L`). Nothing is appended on failure. */
int python_int_put(struct strbuf *b, const struct python_objects *objects, u64 address);

#endif
