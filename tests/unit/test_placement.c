/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>

#include "unwind/placement.h"

TestSuite(placement);

static const u64 anchors[] = {0x1010, 0x1040, 0x1200};

static struct placement begin(u32 cnt)
{
	return (struct placement){.anchors = anchors, .cnt = cnt};
}

Test(placement, each_run_goes_to_the_frame_that_holds_its_anchor)
{
	struct placement p = begin(3);

	cr_assert(!placement_frame(&p, 0, 0x1000, 0x1010));
	cr_assert(placement_frame(&p, 0, 0x1010, 0x1040));
	cr_assert(placement_frame(&p, 0, 0x1040, 0x1100));
	cr_assert(!placement_frame(&p, 0, 0x1100, 0x1200));
	cr_assert(placement_frame(&p, 0, 0x1200, 0x1208));
	cr_assert(placement_is_merged(&p, true));
}

Test(placement, two_in_one_frame_are_not_merged)
{
	struct placement p = begin(3);

	cr_assert(placement_frame(&p, 0, 0x1000, 0x1100));
	cr_assert(placement_frame(&p, 0, 0x1100, 0x1300));
	cr_assert(!placement_is_merged(&p, true));
	cr_assert(!placement_is_merged(&p, false));
}

Test(placement, one_between_the_frames_is_not_merged)
{
	struct placement p = begin(2);

	cr_assert(placement_frame(&p, 0, 0x1020, 0x1100));
	cr_assert(!placement_is_merged(&p, true));
}

Test(placement, those_left_over_lie_outward_only_when_the_walk_was_cut)
{
	struct placement p = begin(3);

	cr_assert(placement_frame(&p, 0, 0x1000, 0x1040));
	cr_assert(!placement_is_merged(&p, true));
	cr_assert(placement_is_merged(&p, false));
}

Test(placement, without_runs_there_is_nothing_to_place)
{
	struct placement p = begin(0);

	cr_assert(!placement_frame(&p, 0, 0, ~0ull));
	cr_assert(placement_is_merged(&p, true));
}

Test(placement, a_run_without_frames_needs_no_place)
{
	const u64 anchors[] = {0, 0x1010, 0, 0};
	struct placement placement = {.anchors = anchors, .cnt = 4};

	cr_assert_not(placement_frame(&placement, 0, 0x1000, 0x1008));
	cr_assert(placement_frame(&placement, 0, 0x1008, 0x1100));
	cr_assert(placement_is_merged(&placement, true));
}

static const struct python_layout layout = {
	.eval = {{.start = -0x1000, .size = 0x100}, {.start = 0x100, .size = 0x10}}};

static struct placement begin_counted(u32 cnt)
{
	return (struct placement){.cnt = cnt, .counted = &layout, .runtime = 0x600000};
}

Test(placement, without_anchors_the_code_of_the_eval_loop_tells)
{
	struct placement p = begin_counted(2);

	cr_assert(placement_frame(&p, 0x5ff0ff, 0, 1));
	cr_assert_not(placement_frame(&p, 0x5ff100, 0, 1));
	cr_assert(placement_frame(&p, 0x600100, 0, 1));
	cr_assert(placement_is_merged(&p, true));
}

Test(placement, without_anchors_one_activation_too_many_is_the_innermost)
{
	struct placement p = begin_counted(1);
	u64 words[] = {0, 1 | NATIVE_RUN, 2 | NATIVE_RUN};

	cr_assert(placement_frame(&p, 0x5ff000, 0, 1));
	cr_assert(placement_frame(&p, 0x5ff000, 0, 1));
	placement_settle(&p, words, 3);
	cr_assert_eq(words[1], 1);
	cr_assert_eq(words[2], 2 | NATIVE_RUN);
	cr_assert(placement_is_merged(&p, true));
}

Test(placement, without_anchors_activations_that_are_missing_are_so_only_in_a_whole_stack)
{
	struct placement p = begin_counted(2);
	u64 words[] = {1 | NATIVE_RUN};

	cr_assert(placement_frame(&p, 0x5ff000, 0, 1));
	placement_settle(&p, words, 1);
	cr_assert_eq(words[0], 1 | NATIVE_RUN);
	cr_assert_not(placement_is_merged(&p, true));
	cr_assert(placement_is_merged(&p, false));
}

/* To 3.9 runs are counted: the innermost ones have their places, whatever lies outward of those that are known. */
Test(placement, of_counted_runs_that_were_cut_the_innermost_have_their_places)
{
	struct python_layout layout = {.eval = {{.start = 0x1000, .size = 0x100}}};
	struct placement p = {.cnt = 2, .counted = &layout};

	for (int i = 0; i < 3; i++)
		cr_assert(placement_frame(&p, 0x1010, 0x100 * i, 0x100 * i + 0x80));
	cr_assert(!placement_is_merged(&p, true), "one activation has no run");
	p.is_cut = true;
	cr_assert(placement_is_merged(&p, true));
	p.next = 1;
	cr_assert(!placement_is_merged(&p, true), "one run has no activation");
}
