/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/stack_table.h"

#include <criterion/criterion.h>
#include <errno.h>

static struct stack_table *table;

static void set_up(void)
{
	cr_assert_eq(stack_table_new(&table), 0);
}

static void tear_down(void)
{
	stack_table_free(table);
}

static u32 push(u32 parent, u32 frame)
{
	u32 id = ~0u;

	cr_assert_eq(stack_table_push(table, parent, frame, &id), 0);
	return id;
}

TestSuite(stack_table, .init = set_up, .fini = tear_down);

Test(stack_table, the_root_is_the_empty_stack_and_its_own_parent)
{
	cr_assert_eq(stack_table_cnt(table), 1);
	cr_assert_eq(stack_table_parent(table, STACK_ROOT), STACK_ROOT);
	cr_assert_neq(push(STACK_ROOT, 0), STACK_ROOT, "a stack of frame 0 is not the empty stack");
}

Test(stack_table, stacks_share_what_they_have_in_common)
{
	u32 main = push(STACK_ROOT, 5), load = push(main, 6), save = push(main, 7);

	cr_assert_eq(push(push(STACK_ROOT, 5), 6), load);
	cr_assert_neq(load, save);
	cr_assert_eq(stack_table_parent(table, load), main);
	cr_assert_eq(stack_table_frame(table, save), 7);
	cr_assert_eq(stack_table_cnt(table), 4);
}

Test(stack_table, recursion_makes_a_new_stack_each_time)
{
	u32 once = push(STACK_ROOT, 5), twice = push(once, 5);

	cr_assert_neq(once, twice);
	cr_assert_eq(stack_table_parent(table, twice), once);
}

Test(stack_table, the_bound_is_met_with_enospc_and_known_stacks_are_still_found)
{
	u32 id = STACK_ROOT, deepest = STACK_ROOT;
	int err;

	while (!(err = stack_table_push(table, deepest, 1, &id)) && stack_table_cnt(table) < 5 << 20)
		deepest = id;
	cr_assert_eq(err, -ENOSPC);
	cr_assert_eq(stack_table_cnt(table), 4 << 20);
	cr_assert_eq(push(STACK_ROOT, 1), 1);
	cr_assert_eq(push(stack_table_parent(table, deepest), 1), deepest);
	cr_assert_leq(stack_table_bytes(table), 128 << 20);
}
