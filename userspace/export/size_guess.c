/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/size_guess.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * In bytes, of protobuf's numbers as they are where a message has some thousand rows: tag and length of a row are two or
 * three bytes, and so are tag and value of an index.
 */
#define MESSAGE_SIZE  400 /* its head, comments, and strings of its own */
#define SAMPLE_SIZE   30 /* without its stack: value, labels */
#define LOCATION_SIZE 15 /* with a line */
#define ADDRESS_SIZE  5
#define FUNCTION_SIZE 12
#define STRING_SIZE   2 /* beside its text */

/* Of a row of so many. */
static size_t index_size(u32 cnt)
{
	return cnt < 1 << 7 ? 1 : cnt < 1 << 14 ? 2 : 3;
}

int size_guess_init(struct size_guess *guess, const struct profile_tables *tables)
{
	*guess = (struct size_guess){.tables = tables};
	guess->frames = calloc(frame_table_cnt(tables->frames) + 1, sizeof(*guess->frames));
	guess->strings = calloc(string_table_cnt(tables->strings) + 1, sizeof(*guess->strings));
	if (guess->frames && guess->strings)
		return 0;
	size_guess_deinit(guess);
	return -ENOMEM;
}

void size_guess_deinit(struct size_guess *guess)
{
	free(guess->frames);
	free(guess->strings);
	*guess = (struct size_guess){0};
}

void size_guess_begin(struct size_guess *guess)
{
	guess->size = MESSAGE_SIZE;
	guess->frame_cnt = 0;
	guess->round++;
}

/* True: it was not there. */
static bool string_add(struct size_guess *guess, u32 string)
{
	if (guess->strings[string] == guess->round)
		return false;
	guess->strings[string] = guess->round;
	guess->size += STRING_SIZE + strlen(string_table_at(guess->tables->strings, string));
	return true;
}

/* A function of its own where one of its names is new: almost always so. */
static void frame_add(struct size_guess *guess, u32 id)
{
	const struct frame *frame = frame_table_get(guess->tables->frames, id);
	bool is_new = true;

	if (guess->frames[id] == guess->round)
		return;
	guess->frames[id] = guess->round;
	guess->frame_cnt++;
	guess->size += LOCATION_SIZE + (frame->kind == FRAME_PYTHON ? 0 : ADDRESS_SIZE);
	if (frame->named) {
		is_new = string_add(guess, frame->function);
		is_new |= string_add(guess, frame->file);
	}
	guess->size += is_new ? FUNCTION_SIZE : 0;
}

void size_guess_add(struct size_guess *guess, u32 stack)
{
	const struct stack_table *stacks = guess->tables->stacks;

	guess->size += SAMPLE_SIZE;
	for (; stack != STACK_ROOT; stack = stack_table_parent(stacks, stack)) {
		frame_add(guess, stack_table_frame(stacks, stack));
		guess->size += index_size(guess->frame_cnt);
	}
}
