/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "stack_builder.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/array.h"

/* The text moves while it grows. */
static const char *text_put(struct strbuf *text, const char *string, bool is_python)
{
	size_t at = text->size;

	if (is_python)
		strbuf_put(text, string);
	else
		strbuf_put_clean(text, string, strlen(string));
	strbuf_put_size(text, "", 1);
	return (const char *)(uintptr_t)at;
}

void stack_builder_put(struct stack_builder *stack, const struct traced_frame *frame)
{
	if (stack->failed || stack->cnt >= stack->max_cnt)
		return;
	struct traced_frame *frames = array_reserve(stack->frames, &stack->capacity, stack->cnt + 1, sizeof(*frames));
	if (!frames) {
		stack->failed = true;
		return;
	}
	stack->frames = frames;
	frames[stack->cnt] = *frame;
	frames[stack->cnt].function = text_put(&stack->text, frame->function, frame->is_python);
	frames[stack->cnt].file = text_put(&stack->text, frame->file, frame->is_python);
	stack->cnt++;
}

int stack_builder_finish(struct stack_builder *stack, struct traced_stack *ret)
{
	bool failed = stack->failed || stack->text.failed;
	struct traced_stack done = {.frames = stack->frames, .cnt = stack->cnt};

	if (stack->cnt && !failed)
		done.text = strbuf_take(&stack->text);
	strbuf_deinit(&stack->text);
	*stack = (struct stack_builder){.max_cnt = stack->max_cnt};
	for (size_t i = 0; i < done.cnt && done.text; i++) {
		done.frames[i].function = done.text + (uintptr_t)done.frames[i].function;
		done.frames[i].file = done.text + (uintptr_t)done.frames[i].file;
	}
	if (failed || (done.cnt && !done.text)) {
		traced_stack_free(&done);
		return -ENOMEM;
	}
	*ret = done;
	return 0;
}

void traced_stack_free(struct traced_stack *stack)
{
	free(stack->frames);
	free(stack->text);
	*stack = (struct traced_stack){};
}
