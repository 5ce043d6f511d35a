/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * otlp.h - the same message as a file's (otlp_write in format.h) as the body of a request: its profiles have ids,
 * and it may have to be small. What a receiver answers.
 */
#ifndef PYPROF_OTLP_H
#define PYPROF_OTLP_H

#include <stddef.h>
#include <stdio.h>

#include "pyprof/types.h"

struct profile;
struct strbuf;
struct truth;
struct view;

struct otlp_request {
	const u8 *window_id; /* profile_id.h */
	u32 piece; /* each of a window's messages has another number */
	size_t size_max; /* bytes; 0: any */
};

/* -EFBIG: it would be larger than size_max; nothing is written. */
int otlp_request_write(const struct profile *profile, const struct truth *truth, const struct view *view,
		       const struct otlp_request *request, FILE *out);

/* How many profiles an ExportProfilesServiceResponse says were not taken, and why; 0: all were, or it is no such thing. */
u64 otlp_response_rejected(const void *body, size_t size, struct strbuf *why);

#endif
