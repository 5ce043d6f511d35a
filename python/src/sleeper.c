/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "sleeper.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

struct sleeper {
	atomic_uint is_woken;
};

int sleeper_new(struct sleeper **ret)
{
	struct sleeper *sleeper = calloc(1, sizeof(*sleeper));

	if (!sleeper)
		return -ENOMEM;
	*ret = sleeper;
	return 0;
}

void sleeper_free(struct sleeper *sleeper)
{
	free(sleeper);
}

bool sleeper_sleep(struct sleeper *sleeper, u64 due_ns)
{
	const struct timespec due = {.tv_sec = due_ns / NS_PER_S, .tv_nsec = due_ns % NS_PER_S};

	/* A signal is no reason to wake. */
	while (!atomic_load(&sleeper->is_woken) && clock_monotonic_ns() < due_ns)
		syscall(SYS_futex, &sleeper->is_woken, FUTEX_WAIT_BITSET_PRIVATE, 0, &due, NULL,
			FUTEX_BITSET_MATCH_ANY);
	return atomic_load(&sleeper->is_woken);
}

void sleeper_wake(struct sleeper *sleeper)
{
	atomic_store(&sleeper->is_woken, 1);
	syscall(SYS_futex, &sleeper->is_woken, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
