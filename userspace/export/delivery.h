/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * delivery.h - what became of one attempt to deliver a message, and what people are told of it: one line
 * when a destination is in trouble, with the reason and what to do, one when that is over, and
 * one for each kind of refusal. The same matter is not said again within quiet_ms, however often it happens.
 */
#ifndef PYPROF_DELIVERY_H
#define PYPROF_DELIVERY_H

#include <stdbool.h>

#include "base/strbuf.h"
#include "pyprof/types.h"

struct spool_counts;

enum delivery_result {
	DELIVERY_TAKEN,
	DELIVERY_LATER,
	DELIVERY_DOUBT, /* later: the server's trouble, or the message's */
	DELIVERY_STUMBLE, /* later, but not for ever: others were taken meanwhile */
	DELIVERY_PERSON, /* later, when somebody has done something */
	DELIVERY_REFUSED,
	DELIVERY_SPLIT, /* refused, but its profiles were sent one by one: that is said of each */
	DELIVERY_DAMAGED, /* its file was not what was written */
	DELIVERY_CANCELLED,
};

/* A cause that is no status of HTTP. */
enum { CAUSE_TOKEN = 1000, CAUSE_READ, CAUSE_MEMORY, CAUSE_CURL };

struct delivery {
	enum delivery_result result;
	int cause; /* tells one reason from another: a status of HTTP, or of those above */
	u64 asked_ms; /* Retry-After */
	u64 rejected; /* of its profiles, in a message that was taken */
	struct strbuf words; /* what is wrong, and what to do */
};

#define REFUSED_CAUSES_MAX 16

struct delivery_news {
	const char *name; /* of the destination; borrowed */
	u32 quiet_ms;
	void (*on_message)(void *ctx, bool is_error, const char *line);
	void *ctx;

	/* rest is for delivery.c */
	bool in_trouble;
	bool trouble_said; /* so that its end is, too */
	int trouble_cause;
	u64 trouble_said_ns;
	u64 dropped; /* before it began */
	int refused_causes[REFUSED_CAUSES_MAX];
	u32 refused_cause_cnt;
	u64 rejected_said_ns;
	bool open_token_said;
};

/* counts: of its destination, after this delivery. */
void delivery_say(struct delivery_news *news, const struct delivery *delivery, const struct spool_counts *counts);
void delivery_say_open_token(struct delivery_news *news, const char *path);

#endif
