/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* stack_builder.h - a traced stack under construction: frames are copied in, innermost first. */
#ifndef STACKTRACE_STACK_BUILDER_H
#define STACKTRACE_STACK_BUILDER_H

#include "base/strbuf.h"
#include "tracer.h"

struct stack_builder {
	size_t max_cnt; /* what is put beyond is left out */
	/* rest is zero at first, and for stack_builder.c */
	struct traced_frame *frames; /* their texts are offsets in `text` so far */
	size_t cnt, capacity;
	struct strbuf text;
	bool failed;
};

/*
 * Names of C are made fit to be read: valid UTF-8 without control characters. Those of Python stay as they are: they are
 * compared with Python's own, and its files are opened; who prints them cleans them.
 */
void stack_builder_put(struct stack_builder *stack, const struct traced_frame *frame);

/* *ret has all that was put; the builder is empty again. -ENOMEM: memory was short, now or before. */
int stack_builder_finish(struct stack_builder *stack, struct traced_stack *ret);

#endif
