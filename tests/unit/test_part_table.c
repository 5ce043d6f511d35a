/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>

#include "profile/part_table.h"

static struct part_table *parts;
static struct stack_table *stacks;

static void setup(void)
{
	cr_assert_eq(part_table_new(&parts), 0);
	cr_assert_eq(stack_table_new(&stacks), 0);
}

static void teardown(void)
{
	part_table_free(parts);
	stack_table_free(stacks);
}

TestSuite(part_table, .init = setup, .fini = teardown);

static u32 add(u64 id, u32 outer, u32 inner)
{
	u32 frames[] = {outer, inner}, part;

	cr_assert_eq(part_table_add(parts, id, frames, 2, 0, &part), 0);
	return part;
}

Test(part_table, a_part_is_found_by_its_id_alone)
{
	u32 first = add(0x1111111100000007, 1, 2), second = add(0x2222222200000007, 3, 4), found;

	cr_assert_eq(part_table_find(parts, 0x1111111100000007, &found), 0);
	cr_assert_eq(found, first);
	cr_assert_eq(part_table_find(parts, 0x2222222200000007, &found), 0);
	cr_assert_eq(found, second);
	cr_assert_eq(part_table_find(parts, 7, &found), -ENOENT);
}

Test(part_table, joining_puts_the_frames_inside_of_the_prefix)
{
	u32 part = add(1, 10, 20), prefix, stack;

	cr_assert_eq(stack_table_push(stacks, STACK_ROOT, 5, &prefix), 0);
	cr_assert_eq(part_table_join(parts, stacks, prefix, part, &stack), 0);
	cr_assert_eq(stack_table_frame(stacks, stack), 20);
	cr_assert_eq(stack_table_frame(stacks, stack_table_parent(stacks, stack)), 10);
	cr_assert_eq(stack_table_parent(stacks, stack_table_parent(stacks, stack)), prefix);
}

Test(part_table, joining_again_gives_the_same_stack)
{
	u32 part = add(1, 10, 20), other = add(2, 10, 30), stack, again, third;

	part_table_join(parts, stacks, STACK_ROOT, part, &stack);
	part_table_join(parts, stacks, STACK_ROOT, other, &third);
	part_table_join(parts, stacks, STACK_ROOT, part, &again);
	cr_assert_eq(stack, again);
	cr_assert_neq(stack, third);
	cr_assert_eq(stack_table_parent(stacks, stack), stack_table_parent(stacks, third));
}

Test(part_table, a_part_without_frames_adds_nothing)
{
	u32 part, stack;

	cr_assert_eq(part_table_add(parts, 9, NULL, 0, 1u << 3, &part), 0);
	cr_assert_eq(part_table_join(parts, stacks, STACK_ROOT, part, &stack), 0);
	cr_assert_eq(stack, STACK_ROOT);
	cr_assert_eq(part_table_at(parts, part)->losses, 1u << 3);
}

Test(part_table, after_clearing_nothing_is_found_and_everything_can_be_added)
{
	u32 part = add(1, 10, 20), stack;

	part_table_join(parts, stacks, STACK_ROOT, part, &stack);
	part_table_clear(parts);
	cr_assert_eq(part_table_find(parts, 1, &part), -ENOENT);
	part = add(1, 40, 50);
	cr_assert_eq(part_table_join(parts, stacks, STACK_ROOT, part, &stack), 0);
	cr_assert_eq(stack_table_frame(stacks, stack), 50);
}
