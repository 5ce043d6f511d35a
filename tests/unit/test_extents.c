/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "unwind/extents.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

static struct extents *e;

static void end(void)
{
	extents_free(e);
}

TestSuite(extents, .fini = end);

static struct extent take_(u32 cnt)
{
	struct extent extent = {0};

	cr_assert_eq(extents_take(e, cnt, &extent), 0, "%u", cnt);
	cr_assert_eq(extent.cnt, cnt);
	return extent;
}

Test(extents, gives_out_each_element_once)
{
	struct extent extent;

	extents_new(100, 0, &e);
	cr_assert_eq(take_(60).first, 0);
	cr_assert_eq(take_(40).first, 60);
	cr_assert_eq(extents_take(e, 1, &extent), -ENOSPC);
}

Test(extents, what_was_given_back_rests_before_it_is_given_out_again)
{
	struct extent extent;

	extents_new(100, 0, &e);
	take_(50);
	struct extent second = take_(50);
	extents_leave(e, second, 1000);
	cr_assert_eq(extents_resting(e), 50);
	extents_settle(e, 1000 + REST_NS - 1);
	cr_assert_eq(extents_take(e, 50, &extent), -ENOSPC);
	extents_settle(e, 1000 + REST_NS);
	cr_assert_eq(extents_resting(e), 0);
	cr_assert_eq(take_(50).first, 50);
}

Test(extents, joins_neighbours_in_any_order)
{
	extents_new(90, 0, &e);
	struct extent a = take_(30), b = take_(30), c = take_(30);

	extents_leave(e, b, 0);
	extents_leave(e, a, 0);
	extents_leave(e, c, 0);
	extents_settle(e, REST_NS);
	cr_assert_eq(take_(90).first, 0);
}

Test(extents, no_extent_crosses_a_block)
{
	struct extent extent;

	extents_new(25, 10, &e);
	struct extent a = take_(7);
	cr_assert_eq(take_(7).first, 10);
	cr_assert_eq(extents_take(e, 6, &extent), -ENOSPC, "five are left in the last block");
	cr_assert_eq(take_(5).first, 20);
	cr_assert_eq(take_(3).first, 7);
	extents_leave(e, a, 0);
	extents_leave(e, (struct extent){7, 3}, 0);
	extents_leave(e, (struct extent){10, 7}, 0);
	extents_settle(e, REST_NS);
	cr_assert_eq(extents_take(e, 11, &extent), -ENOSPC, "blocks are not joined");
	cr_assert_eq(take_(10).first, 0);
	cr_assert_eq(take_(10).first, 10);
}

/* Against a plain map of who has what. */
Test(extents, ten_thousand_takes_and_leaves_never_overlap)
{
	enum { TOTAL = 5000, BLOCK = 512, HELD = 200 };
	static u8 taken[TOTAL];
	struct extent held[HELD] = {0};
	u64 now = 0;

	extents_new(TOTAL, BLOCK, &e);
	srand(1);
	for (u32 i = 0; i < 10000; i++) {
		struct extent *slot = &held[rand() % HELD];

		now += REST_NS / 50;
		extents_settle(e, now);
		if (slot->cnt) {
			for (u32 k = 0; k < slot->cnt; k++)
				taken[slot->first + k] = 0;
			cr_assert_eq(extents_leave(e, *slot, now), 0);
			slot->cnt = 0;
		} else if (!extents_take(e, 1 + rand() % 60, slot)) {
			cr_assert_eq(slot->first / BLOCK, (slot->first + slot->cnt - 1) / BLOCK);
			for (u32 k = 0; k < slot->cnt; k++)
				cr_assert_eq(taken[slot->first + k]++, 0);
		}
	}
	for (u32 i = 0; i < HELD; i++)
		if (held[i].cnt)
			extents_leave(e, held[i], now);
	extents_settle(e, now + REST_NS);
	cr_assert_eq(extents_free_cnt(e), TOTAL, "nothing leaked");
}
