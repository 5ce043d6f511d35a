/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/profile_cut.h"

#include <errno.h>

#include "base/cleanup.h"
#include "profile/partition.h"

struct cut {
	const struct profile *whole; /* entries of one place together */
	int (*put)(void *ctx, const struct profile *piece, bool is_last);
	void *ctx;
};

static int entry_copy(const struct profile *from, size_t i, struct profile *to)
{
	const struct profile_entry *entry = profile_at(from, i);
	u32 origin;
	int err = profile_origin(to, profile_origin_at(from, entry->origin), &origin);

	return err ? err : profile_add(to, origin, entry->stack, entry->samples);
}

int profile_copy_entries(const struct profile *from, size_t first, size_t end, struct profile *to)
{
	int err = 0;

	profile_set_common(to, profile_common(from));
	for (size_t i = first; !err && i < end; i++)
		err = entry_copy(from, i, to);
	return err;
}

static int place_append(void *ctx, u32 labels, const struct profile *part)
{
	return profile_copy_entries(part, 0, profile_cnt(part), ctx);
}

static u32 place_at(const struct cut *cut, size_t i)
{
	return profile_origin_at(cut->whole, profile_at(cut->whole, i)->origin)->labels;
}

/* Where to halve: between two places, as near to the middle as there is one; in the middle of a single one. */
static size_t cut_at(const struct cut *cut, size_t first, size_t end)
{
	size_t middle = first + (end - first) / 2;

	for (size_t away = 0; middle + away < end || middle - first > away; away++) {
		if (middle + away < end && place_at(cut, middle + away) != place_at(cut, middle + away - 1))
			return middle + away;
		if (middle - first > away && place_at(cut, middle - away) != place_at(cut, middle - away - 1))
			return middle - away;
	}
	return middle;
}

/* No deeper than some 64 times: if a cut takes off little, what is left is one place, or the next cut takes off much. */
static int cut_put(const struct cut *cut, size_t first, size_t end)
{
	_cleanup_(profile) struct profile *piece = NULL;
	bool is_last = end - first <= 1;

	int err = profile_new(profile_tables_of(cut->whole), &piece);
	if (!err)
		err = profile_copy_entries(cut->whole, first, end, piece);
	if (!err)
		err = cut->put(cut->ctx, piece, is_last);
	if (err != -EFBIG || is_last)
		return err;
	profile_free(take(piece)); /* halves need the room */
	size_t middle = cut_at(cut, first, end);
	err = cut_put(cut, first, middle);
	return err ? err : cut_put(cut, middle, end);
}

int profile_cut(const struct profile *profile, int (*put)(void *ctx, const struct profile *piece, bool is_last),
		void *ctx)
{
	_cleanup_(profile) struct profile *whole = NULL;

	int err = profile_new(profile_tables_of(profile), &whole);
	if (err)
		return err;
	profile_set_common(whole, profile_common(profile));
	err = profile_for_each_place(profile, place_append, whole);
	struct cut cut = {whole, put, ctx};
	return err ? err : cut_put(&cut, 0, profile_cnt(whole));
}
