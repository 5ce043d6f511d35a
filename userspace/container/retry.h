/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * retry.h - what is looked for again when it was not there yet: soon at first, then after growing waits (1, 2, 5, 10 ms
 * up to one second), until it is found or the time is over.
 *
 * All that have waited equally often wait equally long, so each step is a queue in order of time: nothing is
 * sorted, and the youngest, which may be gone soon, come first. A struct retry lives in what it is for.
 */
#ifndef PYPROF_RETRY_H
#define PYPROF_RETRY_H

#include <stdbool.h>

#include "pyprof/types.h"

#define RETRY_STEP_CNT 11

struct retry {
	struct retry *prev, *next;
	u64 since_ns, asked_ns, due_ns;
	u8 step;
	bool waits;
};

struct retry_queue {
	struct retry *steps[RETRY_STEP_CNT];
	u64 limit_ns; /* so long after the first look there is no other */
};

/* Before the first look, which is due at once. */
void retry_start_now(struct retry_queue *queue, struct retry *retry, u64 now_ns);
/* After the first look. */
void retry_start(struct retry_queue *queue, struct retry *retry, u64 now_ns);
/* Alone in its queue, or with others that wait equally long: due after this time. */
void retry_start_in(struct retry_queue *queue, struct retry *retry, u64 wait_ns, u64 now_ns);
/* After a further one. False: the time is over, it waits no more. */
bool retry_again(struct retry_queue *queue, struct retry *retry, u64 now_ns);
void retry_stop(struct retry_queue *queue, struct retry *retry);
/* One whose time has come, which still waits; NULL: none. */
struct retry *retry_due(struct retry_queue *queue, u64 now_ns);
/* The one that was looked for the longest ago, due or not, before a time; NULL: none. */
struct retry *retry_oldest(struct retry_queue *queue, u64 before_ns);
/* When the next one's time comes; UINT64_MAX: nothing waits. */
u64 retry_due_ns(const struct retry_queue *queue);

#endif
