/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* run_receiver.h - tests/e2e/receiver.py as a child, and what it says it was sent. */
#ifndef RUN_RECEIVER_H
#define RUN_RECEIVER_H

#include <jansson.h>
#include <stdio.h>
#include <sys/types.h>

struct receiver {
	pid_t pid;
	int in; /* it ends when this is closed */
	FILE *out;
	unsigned port;
	json_t *requests; /* array, filled by receiver_read() and receiver_stop() */
};

/* script: what it answers (receiver.py). port: 0 for any. more: further arguments, ends with NULL; or NULL. */
void receiver_start(struct receiver *receiver, const char *script, unsigned port, const char *const *more);
/* Waits until it was sent so many requests in all; a few seconds at most, then the test fails. */
void receiver_read(struct receiver *receiver, size_t cnt);
/* Ends it. All that it was sent is in requests. */
void receiver_stop(struct receiver *receiver);
/* "TEXT:DID TEXT:DID ...", to be freed. */
char *receiver_seen(const struct receiver *receiver);
/* Of request i; NULL: it had none. */
const char *receiver_header(const struct receiver *receiver, size_t i, const char *name);
void receiver_deinit(struct receiver *receiver);

/* A port that nobody listens on. */
unsigned closed_port(void);

#endif
