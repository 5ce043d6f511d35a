/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* stack_copy.h - a piece of a thread's stack, as it was at one instant. */
#ifndef PYPROF_STACK_COPY_H
#define PYPROF_STACK_COPY_H

#include <stdbool.h>
#include <string.h>

#include "pyprof/types.h"

struct stack_copy {
	const u8 *bytes; /* borrowed, as is `next` */
	u64 start, size;
	const struct stack_copy *next; /* of another stack, which this one leads to (sigaltstack(2)); NULL: none */
};

/* A word of the stack; false where the copy has none. */
static inline bool stack_copy_read(const struct stack_copy *stack, u64 address, u64 *ret)
{
	for (; stack; stack = stack->next) {
		u64 offset = address - stack->start;

		if (address < stack->start || stack->size < sizeof(*ret) || offset > stack->size - sizeof(*ret))
			continue;
		memcpy(ret, stack->bytes + offset, sizeof(*ret));
		return true;
	}
	return false;
}

#endif
