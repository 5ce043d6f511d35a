/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "format/json_stream.h"

#include <errno.h>

#include "format/output.h"

static void put(struct json_stream *s, const char *bytes, size_t size)
{
	if (!s->err)
		s->err = output_put(s->out, bytes, size);
}

static int on_bytes(const char *bytes, size_t size, void *ctx)
{
	struct json_stream *s = ctx;

	put(s, bytes, size);
	return s->err ? -1 : 0;
}

static void dump(struct json_stream *s, json_t *value)
{
	if (!s->err && (!value || json_dump_callback(value, on_bytes, s,
						     JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(16))))
		s->err = s->err ? s->err : -ENOMEM;
	json_decref(value);
}

static void begin(struct json_stream *s, const char *name)
{
	if (s->comma)
		put(s, ",", 1);
	s->comma = true;
	if (!name)
		return;
	dump(s, json_string(name));
	put(s, ":", 1);
}

void json_open(struct json_stream *s, const char *name, char bracket)
{
	begin(s, name);
	put(s, &bracket, 1);
	s->comma = false;
}

void json_close(struct json_stream *s, char bracket)
{
	put(s, &bracket, 1);
	s->comma = true;
}

void json_put(struct json_stream *s, const char *name, json_t *value)
{
	begin(s, name);
	dump(s, value);
}

void json_put_text(struct json_stream *s, const char *name, const char *text)
{
	json_put(s, name, json_string(text));
}

void json_put_number(struct json_stream *s, const char *name, u64 number)
{
	char digits[24];
	int size = snprintf(digits, sizeof(digits), "%llu", number);

	begin(s, name);
	put(s, digits, (size_t)size);
}

void json_put_null(struct json_stream *s, const char *name)
{
	begin(s, name);
	put(s, "null", 4);
}

int json_finish(struct json_stream *s)
{
	put(s, "\n", 1);
	return s->err ? s->err : output_flush(s->out);
}
