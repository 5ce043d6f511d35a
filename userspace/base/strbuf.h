/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * strbuf.h - text under construction. Grows as needed; once memory is short the
 * buffer stays as it was and `failed` sticks, so that callers ask once at the end.
 * `at` is always a C string, "" when nothing was put yet.
 */
#ifndef PYPROF_STRBUF_H
#define PYPROF_STRBUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

struct strbuf {
	char *at;
	size_t size; /* without the NUL */
	size_t capacity;
	bool failed;
};

/* Declares an empty buffer that is released with its scope. */
#define STRBUF(name) __attribute__((cleanup(strbuf_deinit))) struct strbuf name = {.at = (char *)""}

void strbuf_deinit(struct strbuf *b);
void strbuf_clear(struct strbuf *b);
void strbuf_put(struct strbuf *b, const char *text);
void strbuf_put_size(struct strbuf *b, const char *text, size_t size);
void strbuf_put_char(struct strbuf *b, char c);
__attribute__((format(printf, 2, 3))) void strbuf_printf(struct strbuf *b, const char *format, ...);

/*
 * Foreign text made fit for every output: valid UTF-8 (each byte that is not
 * becomes U+FFFD), each control character becomes '?'.
 */
void strbuf_put_clean(struct strbuf *b, const char *text, size_t size);

/* Of valid UTF-8: to at most max bytes, at the end of a character. */
void strbuf_cut(struct strbuf *b, size_t max);

/* The text, to be freed by the caller; the buffer is empty again. NULL when it failed. */
char *strbuf_take(struct strbuf *b);

#endif
