/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* record.h - checks a record's sizes and counts before anyone believes it. Pure. */
#ifndef PYPROF_CAPTURE_RECORD_H
#define PYPROF_CAPTURE_RECORD_H

#include <stddef.h>

#include "pyprof/record.h"

/* 0 when data is one whole record of a known type whose parts fill exactly its size, else -EBADMSG. */
int record_check(const void *data, size_t size);

#endif
