/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sleeper.h - a sleep until a time, which another thread may end before. */
#ifndef STACKTRACE_SLEEPER_H
#define STACKTRACE_SLEEPER_H

#include <stdbool.h>

#include "pyprof/types.h"

struct sleeper;

int sleeper_new(struct sleeper **ret);
void sleeper_free(struct sleeper *sleeper);

/* Until then, on CLOCK_MONOTONIC: false. True: it was woken, now or ever before. */
bool sleeper_sleep(struct sleeper *sleeper, u64 due_ns);
/* For good. By any thread, any number of times. */
void sleeper_wake(struct sleeper *sleeper);

#endif
