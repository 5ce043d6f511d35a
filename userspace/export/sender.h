/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sender.h - the thread that brings one destination what waits for it, in order, one message
 * at a time, and waits longer and longer while it is not taken. Says so once, and once when it is again.
 *
 * An answer of 5xx (or 499, and others in verdict.h) does not tell whether the server is in trouble or the message
 * is one that it cannot digest. After a few of them the message is set aside, and the next is tried. If none is taken,
 * it is the server: nothing is dropped, however long that lasts. If others are taken, what was set aside is tried again
 * between them, less and less often; what the server stumbles over each time for about a quarter of an hour in which it
 * took others is refused. So long, because of a server in pieces some take what they get while another starts anew.
 */
#ifndef PYPROF_SENDER_H
#define PYPROF_SENDER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "export/backoff.h"
#include "export/destination.h"
#include "export/http_post.h"

struct spool;
struct sender;

struct sender_options {
	const struct destination *destination; /* borrowed */
	u32 index; /* of it, in the spool */
	struct spool *spool;
	pthread_mutex_t *lock; /* held by whoever touches the spool */
	pthread_cond_t *progress; /* told when an attempt is over */
	struct http_post_options post;
	const char *token_file; /* borrowed; NULL: none */
	struct backoff_limits backoff;
	u32 quiet_ms; /* between two lines on the same matter */
	void (*on_message)(void *ctx, bool is_error, const char *line); /* without the lock */
	void *ctx;
};

struct sender_counts {
	u64 sent, sent_bytes, resent, refused;
	u64 rejected; /* of what was sent: parts that the answer says were not taken */
};

/* Starts the thread, which has all signals blocked. */
int sender_new(const struct sender_options *options, struct sender **ret);
/* Ends the thread and what is under way: that waits again. Without the lock. The counts are final then. */
void sender_join(struct sender *sender);
void sender_free(struct sender *sender);
DEFINE_CLEANUP(sender, struct sender *, sender_free)

/* All of these with the lock. */
void sender_wake(struct sender *sender); /* there is something to send */
void sender_hurry(struct sender *sender); /* tries now instead of later, unless the server itself asked to wait */
bool sender_is_idle(const struct sender *sender, u64 until_ns); /* nothing waits, or no attempt begins before then */
void sender_stop(struct sender *sender); /* begins the end; sender_join() waits for it */
void sender_counts(const struct sender *sender, struct sender_counts *ret);

#endif
