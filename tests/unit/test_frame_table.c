/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/frame_table.h"

#include <criterion/criterion.h>
#include <errno.h>

static struct frame_table *table;

static void set_up(void)
{
	cr_assert_eq(frame_table_new(&table), 0);
}

static void tear_down(void)
{
	frame_table_free(table);
}

static u32 intern(struct frame key)
{
	u32 id = ~0u;

	cr_assert_eq(frame_table_intern(table, &key, &id, NULL), 0);
	return id;
}

TestSuite(frame_table, .init = set_up, .fini = tear_down);

Test(frame_table, each_part_of_the_key_tells_frames_apart)
{
	const struct frame key = {.kind = FRAME_PYTHON, .scope = 1, .address = 2, .detail = 3};
	struct frame other;
	u32 id = intern(key);

	cr_assert_eq(intern(key), id);
	other = key, other.kind = FRAME_NATIVE;
	cr_assert_neq(intern(other), id);
	other = key, other.scope = 9;
	cr_assert_neq(intern(other), id);
	other = key, other.address = 9;
	cr_assert_neq(intern(other), id);
	other = key, other.detail = 9;
	cr_assert_neq(intern(other), id);
	other = key, other.loss = LOSS_TIME;
	cr_assert_neq(intern(other), id);
	cr_assert_eq(frame_table_cnt(table), 6);
}

Test(frame_table, a_name_given_later_is_no_part_of_the_key)
{
	const struct frame key = {.kind = FRAME_NATIVE, .scope = 4, .address = 0x1234};
	u32 id = intern(key);

	frame_table_at(table, id)->named = true;
	frame_table_at(table, id)->function = 7;
	cr_assert_eq(intern(key), id);
	cr_assert_eq(frame_table_get(table, id)->function, 7);
	cr_assert(frame_table_get(table, id)->named);
}

Test(frame_table, it_says_which_frames_are_new)
{
	const struct frame key = {.kind = FRAME_KERNEL, .address = 0xffffffff81000000};
	bool new = false;
	u32 id;

	cr_assert_eq(frame_table_intern(table, &key, &id, &new), 0);
	cr_assert(new);
	cr_assert_eq(frame_table_intern(table, &key, &id, &new), 0);
	cr_assert_not(new);
}

Test(frame_table, a_loss_is_one_frame_per_reason)
{
	u32 gone, again, time;

	cr_assert_eq(frame_table_loss(table, LOSS_CODE_GONE, &gone), 0);
	cr_assert_eq(frame_table_loss(table, LOSS_CODE_GONE, &again), 0);
	cr_assert_eq(frame_table_loss(table, LOSS_TIME, &time), 0);
	cr_assert_eq(gone, again);
	cr_assert_neq(gone, time);
	cr_assert_eq(frame_table_get(table, gone)->kind, FRAME_LOSS);
	cr_assert_eq(frame_table_get(table, gone)->loss, LOSS_CODE_GONE);
}

Test(frame_table, a_mark_is_one_frame_and_none_of_the_losses)
{
	u32 unmerged, greenlet, again, loss;

	cr_assert_eq(frame_table_mark(table, MARK_UNMERGED, &unmerged), 0);
	cr_assert_eq(frame_table_mark(table, MARK_GREENLET, &greenlet), 0);
	cr_assert_eq(frame_table_mark(table, MARK_UNMERGED, &again), 0);
	cr_assert_eq(frame_table_loss(table, (enum loss)MARK_UNMERGED, &loss), 0);
	cr_assert_eq(unmerged, again);
	cr_assert_neq(unmerged, greenlet);
	cr_assert_neq(unmerged, loss);
	cr_assert_eq(frame_table_get(table, greenlet)->kind, FRAME_MARK);
}

Test(frame_table, the_bound_is_met_with_enospc_and_known_frames_are_still_found)
{
	u32 id, cnt = 0;
	int err;

	do {
		struct frame key = {.kind = FRAME_NATIVE, .address = 16 * (u64)cnt};
		err = frame_table_intern(table, &key, &id, NULL);
		cnt += !err;
	} while (!err && cnt < 2 << 20);
	cr_assert_eq(err, -ENOSPC);
	cr_assert_eq(cnt, 1 << 20);
	cr_assert_eq(intern((struct frame){.kind = FRAME_NATIVE, .address = 16 * 4711}), 4711);
	cr_assert_leq(frame_table_bytes(table), 128 << 20);
}
