/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * verdict.h - what an answer, or the lack of one, means for a message. Pure.
 *
 * OTLP/HTTP lets 429, 502, 503 and 504 be tried again, and nothing else. We go beyond that
 * in three ways, each of which is harmless because a resend has the same bytes, and ids in them:
 * 401, 403, 404 and their like speak of the way, not of the message (a token that is being renewed, an ingress whose
 * service starts anew): dropping would lose windows that were fine, so they wait, and knock seldom. 408, 409, 423,
 * 425 and 499 (Pyroscope's word for "I gave up on this") ask for it by their meaning. These and every 5xx may be the
 * server's trouble or the message's: Pyroscope answers 500 while its ingesters start anew, and also to what it cannot
 * digest. Which of the two it is, the other messages tell (sender.h).
 */
#ifndef PYPROF_VERDICT_H
#define PYPROF_VERDICT_H

struct http_answer;
struct strbuf;

enum verdict_kind {
	VERDICT_TAKEN,
	VERDICT_LATER, /* the same again, after a while */
	VERDICT_DOUBT, /* likewise, unless it is the message's own fault */
	VERDICT_PERSON, /* likewise, but somebody has to do something first: seldom */
	VERDICT_REFUSED, /* never */
};

struct verdict {
	enum verdict_kind kind;
	const char *advice; /* what a person can do; "": nothing */
};

struct verdict verdict_of(const struct http_answer *answer);
/* What happened, in words: "it answered 503 (no healthy upstream)", "Could not resolve host: x". */
void verdict_put_words(const struct http_answer *answer, struct strbuf *b);

#endif
