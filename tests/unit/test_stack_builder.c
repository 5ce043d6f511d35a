/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "stack_builder.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct traced_stack built_of(const struct traced_frame *frames, size_t cnt, size_t max_cnt)
{
	struct stack_builder builder = {.max_cnt = max_cnt};
	struct traced_stack stack;

	for (size_t i = 0; i < cnt; i++)
		stack_builder_put(&builder, &frames[i]);
	cr_assert_eq(stack_builder_finish(&builder, &stack), 0);
	return stack;
}

Test(stack_builder, pythons_names_stay_as_they_are)
{
	static const struct traced_frame frame = {
		.function = "a\tb", .file = "/tmp/a\n\x1b[2J\xff.py", .line = 3, .is_python = true};
	struct traced_stack stack = built_of(&frame, 1, 10);

	cr_assert_eq(stack.cnt, 1);
	cr_assert_str_eq(stack.frames[0].function, frame.function);
	cr_assert_str_eq(stack.frames[0].file, frame.file);
	cr_assert_eq(stack.frames[0].line, 3);
	traced_stack_free(&stack);
}

Test(stack_builder, names_of_c_are_made_fit_to_be_read)
{
	static const struct traced_frame frame = {.function = "a\tb", .file = "/tmp/a\n\x1b[2J\xff.so"};
	struct traced_stack stack = built_of(&frame, 1, 10);

	cr_assert_str_eq(stack.frames[0].function, "a?b");
	cr_assert_str_eq(stack.frames[0].file, "/tmp/a??[2J\xef\xbf\xbd.so");
	traced_stack_free(&stack);
}

Test(stack_builder, keeps_as_many_as_are_wanted_and_their_order)
{
	struct traced_frame frames[300];
	char names[300][8];

	for (size_t i = 0; i < 300; i++) {
		snprintf(names[i], sizeof(names[i]), "f%zu", i);
		frames[i] = (struct traced_frame){.function = names[i], .file = "", .is_python = i % 2};
	}
	struct traced_stack stack = built_of(frames, 300, 299);

	cr_assert_eq(stack.cnt, 299);
	for (size_t i = 0; i < 299; i++) {
		cr_assert_str_eq(stack.frames[i].function, names[i]);
		cr_assert_str_eq(stack.frames[i].file, "");
	}
	traced_stack_free(&stack);
	stack = built_of(frames, 0, 10);
	cr_assert_eq(stack.cnt, 0);
	traced_stack_free(&stack);
}
