/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* http_header.h - what a person says of a request's header (--export-header), and the token that is read from a file. Pure but for the file. */
#ifndef PYPROF_HTTP_HEADER_H
#define PYPROF_HTTP_HEADER_H

#include <stdbool.h>

struct strbuf;

#define HTTP_HEADERS_MAX     64
#define HTTP_HEADER_SIZE_MAX 8192

/* "K:V". -EINVAL: `error` says what is wrong, without the value, which may be a secret. */
int http_header_check(const char *text, struct strbuf *error);
/* Whether "K:V" has this K. */
bool http_header_is(const char *text, const char *name);
/* As libcurl wants it ("K: V"; "K;" where V is empty, for it takes "K:" as a wish to send none), to be freed. */
char *http_header_line(const char *text);

/*
 * The token in a file, without the blanks around it, to be freed. Tokens are renewed, often behind a symlink that is
 * swapped, so links are followed. -EINVAL: what is there is no token (empty, longer than 16 KiB, with
 * characters that no header may have, or no regular file). ret_is_open: others may read the file too.
 */
int http_token_read(const char *path, char **ret, bool *ret_is_open);
void http_token_free(char *token); /* leaves nothing of it in memory */

#endif
