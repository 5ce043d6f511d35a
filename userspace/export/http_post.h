/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * http_post.h - one message by HTTP or HTTPS, over a connection that is kept. Says what came back, judges nothing.
 *
 * The server is believed as little as anybody: certificates are always verified (TLS 1.2 or
 * newer), redirects are not followed (they would carry the token to wherever they say), of its answer 64 KiB
 * are read, and all that it may take is bounded in time.
 * A kept connection that turns out to be closed already is replaced by libcurl itself, which then sends the same once more. Proxies are those of the usual environment variables.
 */
#ifndef PYPROF_HTTP_POST_H
#define PYPROF_HTTP_POST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/types.h"

#define HTTP_ANSWER_MAX (64u << 10)

struct http_post;

struct http_post_options {
	const char *url, *user, *password; /* the latter NULL: none */
	const char *ca_file; /* NULL: the system's */
	const char *content_type;
	/* "K:V", checked (http_header.h); borrowed for http_post_new(). With a user, Authorization is left out. */
	const char *const *headers;
	size_t header_cnt;
	u32 connect_timeout_ms;
	u32 timeout_ms; /* beside what the body itself takes over a slow line */
};

enum http_end {
	HTTP_ANSWERED, /* a whole head came: `status` says */
	HTTP_FAILED, /* the message may have arrived or not: `error` says what happened */
	HTTP_CANCELLED, /* likewise, because we ended it */
};

/* Valid until the next message. */
struct http_answer {
	enum http_end end;
	unsigned status;
	u64 retry_after_ms; /* 0: it did not say */
	const char *location; /* where a redirect leads; or NULL */
	const void *body;
	size_t size;
	int error; /* CURLcode */
	const char *error_text;
};

int http_post_new(const struct http_post_options *options, struct http_post **ret);
void http_post_free(struct http_post *post);
DEFINE_CLEANUP(http_post, struct http_post *, http_post_free)

/* Waits for the answer. body is gzipped. token: goes as Authorization: Bearer; NULL: none. */
int http_post_send(struct http_post *post, const void *body, size_t size, const char *token, struct http_answer *ret);
/* From any thread, at any time: ends what is under way, and all that comes later, at once. */
void http_post_cancel(struct http_post *post);

#endif
