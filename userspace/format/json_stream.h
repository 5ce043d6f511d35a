/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * json_stream.h - JSON written as it comes, so that a large document is never in
 * memory. Values are jansson's; only brackets, commas and whole numbers are put here. The first
 * error sticks, to be asked for once at the end.
 */
#ifndef PYPROF_JSON_STREAM_H
#define PYPROF_JSON_STREAM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "pyprof/types.h"

struct json_stream {
	FILE *out;
	bool comma; /* something stands before, on this level */
	int err;
};

/* name: of the member, NULL: an item of a list. bracket: { or [. */
void json_open(struct json_stream *s, const char *name, char bracket);
void json_close(struct json_stream *s, char bracket);
/* Takes the value; NULL: there was no memory for it. */
void json_put(struct json_stream *s, const char *name, json_t *value);
void json_put_text(struct json_stream *s, const char *name, const char *text);
void json_put_number(struct json_stream *s, const char *name, u64 number);
void json_put_null(struct json_stream *s, const char *name);
/* Flushes; the error. */
int json_finish(struct json_stream *s);

#endif
