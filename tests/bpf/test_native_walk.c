/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The walk along frame pointers, over a stack laid out by hand. */
#include "host.h"

#include <criterion/criterion.h>

#include "native.bpf.h"

#define STACK 0x7ffc00001000ull
#define WORDS 4096

static u64 stack[WORDS];

static int walk(u64 bp, u64 sp)
{
	struct scratch *s = &host.scratch;
	int ended = WALK_ON;

	memset(s, 0, sizeof(*s));
	host.memory = remote_memory_of_bytes(stack, sizeof(stack), STACK);
	s->native.bp = bp;
	s->native.stack = sp;
	native_push(s, 0x401000); /* the leaf */
	for (u32 i = 0; i < MAX_NATIVE_FRAMES && ended == WALK_ON; i++)
		ended = native_step(0);
	return ended;
}

/* A frame at word i: the caller's frame pointer, the return address. */
static u64 frame_at(size_t i, u64 bp, u64 ip)
{
	stack[i] = bp;
	stack[i + 1] = ip;
	return STACK + 8 * i;
}

Test(native_walk, follows_frame_pointers_to_the_outermost_frame)
{
	frame_at(10, frame_at(20, frame_at(30, 0, 0x403000), 0x402000), 0x401100);

	cr_assert_eq(walk(STACK + 80, STACK), WALK_END);
	cr_assert_eq(host.scratch.native.cnt, 4);
	cr_assert_eq(host.scratch.words[1], 0x401100);
	cr_assert_eq(host.scratch.words[3], 0x403000);
}

Test(native_walk, a_pointer_below_the_stack_pointer_is_none)
{
	cr_assert_eq(walk(frame_at(10, 0, 0x401100), STACK + 800), LOSS_FRAME_POINTER);
	cr_assert_eq(host.scratch.native.cnt, 1);
}

Test(native_walk, a_pointer_that_does_not_rise_ends_it)
{
	frame_at(20, STACK + 80, 0x402000);
	frame_at(10, STACK + 160, 0x401100);

	cr_assert_eq(walk(STACK + 80, STACK), LOSS_FRAME_POINTER);
	cr_assert_eq(host.scratch.native.cnt, 3);
}

Test(native_walk, an_unaligned_pointer_is_none)
{
	cr_assert_eq(walk(STACK + 81, STACK), LOSS_FRAME_POINTER);
}

Test(native_walk, a_leaf_with_zero_in_the_register_is_not_the_outermost_frame)
{
	cr_assert_eq(walk(0, STACK), LOSS_FRAME_POINTER);
}

Test(native_walk, what_cannot_be_read_is_a_fault_with_its_address)
{
	u64 beyond = STACK + sizeof(stack);

	cr_assert_eq(walk(frame_at(10, beyond, 0x401100), STACK), LOSS_NATIVE_FAULT);
	cr_assert_eq(host.scratch.native.fault_address, beyond);
}

Test(native_walk, the_deepest_stack_ends_at_the_limit)
{
	for (size_t i = 0; i + 2 < WORDS; i += 2)
		frame_at(i, STACK + 8 * (i + 2), 0x401000 + i);

	cr_assert_eq(walk(STACK, STACK), LOSS_NATIVE_DEPTH);
	cr_assert_eq(host.scratch.native.cnt, MAX_NATIVE_FRAMES);
}
