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

static u32 part(const u32 *items, size_t cnt)
{
	u32 ret;

	cr_assert_eq(part_table_intern(parts, items, cnt, 0, &ret), 0);
	return ret;
}

#define PART(...) part((const u32[]){__VA_ARGS__}, sizeof((const u32[]){__VA_ARGS__}) / sizeof(u32))

static void know(u64 id, u32 index)
{
	cr_assert_eq(part_table_add(parts, &(struct known_part){.id = id, .forms = {index}}), 0);
}

static u32 join(u32 prefix, u32 python, u32 native, u32 leaf)
{
	u32 stack;

	cr_assert_eq(part_table_join(parts, stacks, &(struct seam){prefix, python, native, leaf}, &stack), 0);
	return stack;
}

/* The stack's frames are these, outermost first. */
static void expect(u32 stack, const u32 *frames, size_t cnt)
{
	while (cnt--) {
		cr_assert_eq(stack_table_frame(stacks, stack), frames[cnt], "frame %zu is %u", cnt,
			     stack_table_frame(stacks, stack));
		stack = stack_table_parent(stacks, stack);
	}
	cr_assert_eq(stack, STACK_ROOT);
}

#define EXPECT(stack, ...) expect(stack, (const u32[]){__VA_ARGS__}, sizeof((const u32[]){__VA_ARGS__}) / sizeof(u32))

Test(part_table, a_part_is_found_by_its_id_alone)
{
	know(0x1111111100000007, PART(1, 2));
	know(0x2222222200000007, PART(3, 4));

	cr_assert_eq(part_table_find(parts, 0x1111111100000007)->forms[0], PART(1, 2));
	cr_assert_eq(part_table_find(parts, 0x2222222200000007)->forms[0], PART(3, 4));
	cr_assert_null(part_table_find(parts, 7));
}

Test(part_table, parts_with_the_same_items_are_one)
{
	u32 index = PART(1, ITEM_RUN, 2), other;

	cr_assert_eq(PART(1, ITEM_RUN, 2), index);
	cr_assert_neq(PART(1, 2, ITEM_RUN), index);
	cr_assert_neq(PART(1, ITEM_RUN), index);
	cr_assert_eq(part_table_intern(parts, (const u32[]){1, ITEM_RUN, 2}, 3, 1, &other), 0);
	cr_assert_neq(other, index);
	cr_assert_eq(part_table_at(parts, other)->losses, 1);
	cr_assert_eq(part_table_at(parts, index)->losses, 0);
}

Test(part_table, a_part_says_what_else_belongs_into_it)
{
	cr_assert_eq(part_table_at(parts, PART(ITEM_RUN, 1, ITEM_RUN))->run_cnt, 2);
	cr_assert_eq(part_table_at(parts, PART(1, ITEM_LEAF, ITEM_PYTHON, 9))->run_cnt, RUNS_ALL);
	cr_assert_eq(part_table_at(parts, PART(1, ITEM_LEAF))->leaf, LEAF_INNERMOST);
	cr_assert_eq(part_table_at(parts, PART(1, ITEM_LEAF, ITEM_RUN))->leaf, LEAF_INSIDE);
	cr_assert_eq(part_table_at(parts, PART(1, 2))->leaf, LEAF_NOWHERE);
}

Test(part_table, joining_puts_the_frames_inside_of_the_prefix)
{
	u32 prefix;

	cr_assert_eq(stack_table_push(stacks, STACK_ROOT, 5, &prefix), 0);
	EXPECT(join(prefix, PART_NONE, PART(10, 20), PART_NONE), 5, 10, 20);
	EXPECT(join(prefix, PART(ITEM_RUN, 10, ITEM_RUN, 20), PART_NONE, PART_NONE), 5, 10, 20);
	EXPECT(join(prefix, PART_NONE, PART_NONE, PART(30)), 5, 30);
}

Test(part_table, runs_come_where_the_native_part_has_a_place)
{
	u32 python = PART(ITEM_RUN, 10, 11, ITEM_RUN, 12);

	EXPECT(join(0, python, PART(1, ITEM_RUN, 2, ITEM_RUN, 3), PART_NONE), 1, 10, 11, 2, 12, 3);
	EXPECT(join(0, python, PART(1, ITEM_RUN, 2, ITEM_LEAF, ITEM_RUN), PART(9)), 1, 10, 11, 2, 9, 12);
	EXPECT(join(0, python, PART(1, ITEM_RUN, 2, ITEM_LEAF), PART_NONE), 10, 11, 1, 12, 2);
}

Test(part_table, runs_without_a_place_come_outward_of_the_native_part)
{
	EXPECT(join(0, PART(ITEM_RUN, 10, ITEM_RUN, 11, ITEM_RUN, 12), PART(1, ITEM_RUN, 2), PART_NONE), 10, 11, 1, 12,
	       2);
}

Test(part_table, places_without_a_run_are_the_outermost_ones)
{
	EXPECT(join(0, PART(ITEM_RUN, 10), PART(1, ITEM_RUN, 2, ITEM_RUN, 3), PART_NONE), 1, 2, 10, 3);
	EXPECT(join(0, PART_NONE, PART(1, ITEM_RUN, 2, ITEM_RUN, 3), PART_NONE), 1, 2, 3);
}

Test(part_table, all_runs_come_behind_a_mark_that_is_shown_only_under_something)
{
	u32 python = PART(ITEM_RUN, 10, ITEM_RUN, 11), native = PART(1, ITEM_LEAF, ITEM_PYTHON, 99);

	EXPECT(join(0, python, native, PART(9)), 1, 9, 99, 10, 11);
	EXPECT(join(0, python, PART(ITEM_LEAF, ITEM_PYTHON, 99), PART(9)), 9, 99, 10, 11);
	EXPECT(join(0, python, PART(ITEM_LEAF, ITEM_PYTHON, 99), part(NULL, 0)), 10, 11);
	EXPECT(join(0, PART_NONE, native, PART(9)), 1, 9);
}

Test(part_table, joining_again_gives_the_same_stack)
{
	u32 one = PART(10, 20), other = PART(10, 30);
	u32 stack = join(0, PART_NONE, one, PART_NONE), third = join(0, PART_NONE, other, PART_NONE);

	cr_assert_eq(join(0, PART_NONE, one, PART_NONE), stack);
	cr_assert_neq(stack, third);
	cr_assert_eq(stack_table_parent(stacks, stack), stack_table_parent(stacks, third));
}

Test(part_table, a_part_without_items_adds_nothing)
{
	u32 none;

	cr_assert_eq(part_table_intern(parts, NULL, 0, 1u << 3, &none), 0);
	cr_assert_eq(join(STACK_ROOT, PART_NONE, none, PART_NONE), STACK_ROOT);
	cr_assert_eq(part_table_at(parts, none)->losses, 1u << 3);
}

Test(part_table, after_clearing_nothing_is_found_and_everything_can_be_added)
{
	know(1, PART(10, 20));
	join(STACK_ROOT, PART_NONE, PART(10, 20), PART_NONE);
	part_table_clear(parts);
	cr_assert_null(part_table_find(parts, 1));
	know(1, PART(40, 50));
	EXPECT(join(STACK_ROOT, PART_NONE, PART(40, 50), PART_NONE), 40, 50);
}

Test(part_table, the_bound_is_met_with_enospc_and_clearing_makes_room)
{
	u32 index, items[1024] = {0};
	int err = 0;

	for (u32 i = 0; !err && i < 1 << 20; i++) {
		items[0] = i;
		err = part_table_intern(parts, items, 1024, 0, &index);
	}
	cr_assert_eq(err, -ENOSPC);
	part_table_clear(parts);
	cr_assert_eq(part_table_intern(parts, items, 1024, 0, &index), 0);
}
