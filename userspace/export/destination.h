/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* destination.h - where to and how, as `--export KIND=URL` says it: one table of the kinds of engines there are. */
#ifndef PYPROF_DESTINATION_H
#define PYPROF_DESTINATION_H

#include <stdbool.h>
#include <stddef.h>

#include "profile/profile.h"
#include "pyprof/types.h"

struct strbuf;
struct truth;
struct view;

/* How one window becomes the bodies of requests. */
struct window {
	const struct profile *profile; /* of all places */
	const struct truth *truth; /* of this window alone */
	const struct view *view;
	u8 id[16]; /* random: ids of profiles derive from it, so that a resend is known */
};

struct destination_kind {
	const char *name; /* "otlp" */
	const char *summary; /* for --help */
	const char *path; /* appended to a URL that has none: "/v1development/profiles" */
	const char *content_type;
	/*
	 * Cuts the window into bodies that the engine's limits allow, and calls put with each, gzipped.
	 * Stops when that returns other than 0.
	 */
	int (*encode)(const struct window *window, int (*put)(void *ctx, const void *body, size_t size), void *ctx);
	/*
	 * Of a body that was refused as a whole: calls put likewise with one for each profile in it, so that
	 * what is wrong with one of them costs only that one. Of one alone nothing is put. NULL: no use, for this engine
	 * judges each for itself. -EBADMSG: it is none of ours.
	 */
	int (*split)(const void *body, size_t size, int (*put)(void *ctx, const void *body, size_t size), void *ctx);
	/* What a body of a 2xx answer says was refused after all; 0: nothing. NULL: such answers have no say. `why` in words. */
	u64 (*rejected)(const void *body, size_t size, struct strbuf *why);
};

extern const struct destination_kind otlp_kind, pyroscope_kind; /* otlp_export.c, pyroscope_export.c */

/* All there are; ends with NULL. */
extern const struct destination_kind *const destination_kinds[];

struct destination {
	const struct destination_kind *kind;
	char *url; /* whole, normalized; without user and password */
	char *user, *password; /* from the URL, decoded; NULL: none */
	char *name; /* for people: kind, host and port, never a secret: "otlp at collector:4318" */
	bool is_plain; /* http: who listens reads it all, and the password too */
	bool is_local; /* on this machine's loopback, by its name */
};

/* text: "KIND=URL". -EINVAL: `error` says in one sentence what to write instead, and repeats no password. */
int destination_parse(const char *text, struct destination *ret, struct strbuf *error);
/* Who listens there gets all of it twice; and what waits could not be told apart. Whoever the users are. */
bool destination_is_same(const struct destination *a, const struct destination *b);
void destination_deinit(struct destination *destination);

#endif
