/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* output.h - bytes to a stream, failing as the rest of us does. */
#ifndef PYPROF_OUTPUT_H
#define PYPROF_OUTPUT_H

#include <errno.h>
#include <stdio.h>

/* -errno: -ENOSPC, -EPIPE, ... */
static inline int output_put(FILE *out, const void *bytes, size_t size)
{
	errno = 0;
	if (size && fwrite(bytes, size, 1, out) != 1)
		return errno ? -errno : -EIO;
	return 0;
}

static inline int output_flush(FILE *out)
{
	errno = 0;
	if (fflush(out) || ferror(out))
		return errno ? -errno : -EIO;
	return 0;
}

#endif
