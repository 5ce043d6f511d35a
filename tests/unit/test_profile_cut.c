/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/profile_cut.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "base/strbuf.h"
#include "build_profile.h"
#include "profile/partition.h"

#define PIECES_MAX 512

struct pieces {
	size_t entries_max; /* more are too many */
	int fail; /* what every put says; 0: what is true */
	size_t cnt, calls;
	u64 samples;
	size_t place_pieces[64]; /* by the number in the place's name: how many pieces have some of it */
};

static int piece_put(void *ctx, const struct profile *piece, bool is_last)
{
	struct pieces *pieces = ctx;
	bool seen[64] = {false};

	pieces->calls++;
	cr_assert_eq(is_last, profile_cnt(piece) == 1);
	if (pieces->fail)
		return pieces->fail;
	if (profile_cnt(piece) > pieces->entries_max)
		return -EFBIG;
	pieces->cnt++;
	pieces->samples += profile_samples(piece);
	for (size_t i = 0; i < profile_cnt(piece); i++) {
		const struct origin *origin = profile_origin_at(piece, profile_at(piece, i)->origin);

		seen[atoi(origin_place_name(profile_tables_of(piece), origin))] = true;
	}
	for (size_t i = 0; i < 64; i++)
		pieces->place_pieces[i] += seen[i];
	return 0;
}

/* Places 0, 1, ... of so many stacks each. */
static void places_put(struct strbuf *folded, const size_t *sizes, size_t cnt)
{
	for (size_t place = 0; place < cnt; place++)
		for (size_t i = 0; i < sizes[place]; i++)
			strbuf_printf(folded, "{%zu};a (1);f_%zu_%zu (x.py:1) 2\n", place, place, i);
}

Test(profile_cut, what_fits_is_one_piece)
{
	struct pieces pieces = {.entries_max = 100};
	STRBUF(folded);

	places_put(&folded, (const size_t[]){3, 4, 5}, 3);
	BUILT_PROFILE(built, folded.at);
	cr_assert_eq(profile_cut(built.profile, piece_put, &pieces), 0);
	cr_assert(pieces.cnt == 1 && pieces.calls == 1 && pieces.samples == 24);
}

Test(profile_cut, places_stay_whole_where_that_is_possible)
{
	struct pieces pieces = {.entries_max = 10};
	STRBUF(folded);

	places_put(&folded, (const size_t[]){9, 1, 10, 2, 40, 3, 7}, 7);
	BUILT_PROFILE(built, folded.at);
	cr_assert_eq(profile_cut(built.profile, piece_put, &pieces), 0);
	cr_assert_eq(pieces.samples, 2 * 72);
	for (size_t i = 0; i < 7; i++)
		cr_assert(i == 4 ? pieces.place_pieces[i] == 4 || pieces.place_pieces[i] == 8
				 : pieces.place_pieces[i] == 1,
			  "place %zu is in %zu pieces", i, pieces.place_pieces[i]);
}

Test(profile_cut, down_to_single_stacks)
{
	struct pieces pieces = {.entries_max = 1};
	STRBUF(folded);

	places_put(&folded, (const size_t[]){1, 2, 4, 8, 16, 32, 64, 128}, 8);
	BUILT_PROFILE(built, folded.at);
	cr_assert_eq(profile_cut(built.profile, piece_put, &pieces), 0);
	cr_assert(pieces.cnt == 255 && pieces.samples == 2 * 255);
	cr_assert_eq(pieces.calls, 2 * 255 - 1, "each cut gives two that are not empty");
}

Test(profile_cut, a_single_stack_that_is_refused_ends_it)
{
	struct pieces pieces = {.fail = -EFBIG}, broken = {.fail = -EPIPE};
	STRBUF(folded);

	places_put(&folded, (const size_t[]){2, 2}, 2);
	BUILT_PROFILE(built, folded.at);
	cr_assert_eq(profile_cut(built.profile, piece_put, &pieces), -EFBIG);
	cr_assert_eq(pieces.calls, 3);
	cr_assert_eq(profile_cut(built.profile, piece_put, &broken), -EPIPE);
	cr_assert_eq(broken.calls, 1);
}
