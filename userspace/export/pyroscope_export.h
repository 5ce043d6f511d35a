/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pyroscope_export.h - a window for Pyroscope: push.v1's PushRequest, a series for each place, and in
 * it our pprof of that place alone.
 *
 * What is true of a place are the series' labels. Pyroscope makes a series of its own of each set of text labels that
 * samples have, too (comm, exe, thread_name), and drops numbers (pid, tid).
 */
#ifndef PYPROF_PYROSCOPE_EXPORT_H
#define PYPROF_PYROSCOPE_EXPORT_H

#include "export/destination.h"

/*
 * A server refuses a whole request for what is wrong with one profile of it, so we keep within its defaults
 * (pkg/validation/limits.go and validate.go of 1.12.0). For good, as too much at once, when a request has 2 MiB or more
 * of unpacked profiles: the bucket of its rate limit holds no more. Half of it leaves room for others.
 */
struct pyroscope_limits {
	size_t request_size; /* profiles and labels, unpacked */
	size_t samples; /* of a profile */
	size_t labels; /* names of a series; those that samples bring along come on top, up to 30 */
	size_t label_size; /* bytes of a value: of series, and of samples, for these become part of a series' */
	u32 depth; /* frames of a stack: beyond it the server itself leaves out the inner ones, and does not say so */
};

extern const struct pyroscope_limits pyroscope_limits;

/* encode of pyroscope_kind, with limits of the caller's. */
int pyroscope_encode(const struct window *window, const struct pyroscope_limits *limits,
		     int (*put)(void *ctx, const void *body, size_t size), void *ctx);

#endif
