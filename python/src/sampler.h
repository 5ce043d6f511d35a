/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sampler.h - a thread of our own that looks at another at an interval, and keeps what it saw until somebody takes it.
 *
 * It never waits for a GIL: whoever delivers the looks does, and would see the other thread only where it just has
 * given the GIL up. It takes none of the program's signals. Looks are due at the start and each interval after it; those
 * that are late are left out. No more than SAMPLER_QUEUE_MAX wait to be taken: the oldest go, and are counted.
 *
 * Functions may be called by any thread. After fork() the child has no such thread: there nothing can be taken, and
 * the parent's sampler is never freed.
 */
#ifndef STACKTRACE_SAMPLER_H
#define STACKTRACE_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/types.h"
#include "tracer.h"

/* 8 s of looks at 500 Hz, some 10 MiB: as long as a program may keep the GIL and still be seen wholly. */
#define SAMPLER_QUEUE_MAX 4096

struct sampler;

struct sampler_options {
	u64 ident; /* pthread_t; anything */
	u64 interval_ns; /* 0: one look after the other */
	size_t max_cnt; /* frames */
	bool wants_python; /* frames of Python, too */
};

struct sampler_look {
	int err; /* of trace_call_run(). The sampler stops at one that is no absence */
	bool is_unknown_python; /* as of struct trace_call */
	struct traced_stack stack; /* when there is no error; the taker's (traced_stack_free) */
};

/* -ENOMEM. Looks at nothing yet. */
int sampler_new(const struct sampler_options *options, struct sampler **ret);
/* As sampler_finish() before, if need be. */
void sampler_free(struct sampler *sampler);
DEFINE_CLEANUP(sampler, struct sampler *, sampler_free)

/* Once. -EAGAIN: no thread can be made. Of one that was stopped before nothing comes of it. */
int sampler_start(struct sampler *sampler);

/* No look begins after it; one may be under way. For good, any number of times. */
void sampler_stop(struct sampler *sampler);

/* The oldest look. -EAGAIN: there is none yet. -EPIPE: it was stopped, and none will come. */
int sampler_take(struct sampler *sampler, struct sampler_look *ret);
/* Until sampler_take() has another answer than -EAGAIN. */
void sampler_wait(struct sampler *sampler);

/* Stops it and waits until no look is under way, at most for the 1 s of one. What nobody took counts as dropped. */
void sampler_finish(struct sampler *sampler);

u64 sampler_dropped_cnt(const struct sampler *sampler);

#endif
