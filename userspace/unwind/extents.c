/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "unwind/extents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct resting {
	struct extent extent;
	u64 until_ns;
};

struct extents {
	u32 block;
	struct extent *free; /* by first; neighbours are joined, but not across blocks */
	size_t free_cnt, free_capacity;
	struct resting *resting; /* in order of time */
	size_t resting_cnt, resting_capacity;
};

static int grow(void **at, size_t *capacity, size_t cnt, size_t size)
{
	if (cnt <= *capacity)
		return 0;
	size_t wanted = *capacity ? 2 * *capacity : 16;
	while (wanted < cnt)
		wanted *= 2;
	void *more = reallocarray(*at, wanted, size);
	if (!more)
		return -ENOMEM;
	*at = more;
	*capacity = wanted;
	return 0;
}

int extents_new(u32 total, u32 block, struct extents **ret)
{
	_cleanup_(extents) struct extents *e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->block = block ? block : total;
	int err = grow((void **)&e->free, &e->free_capacity, total / e->block + 1, sizeof(*e->free));
	if (err)
		return err;
	for (u32 first = 0; first < total; first += e->block) {
		u32 left = total - first;

		e->free[e->free_cnt++] = (struct extent){first, left < e->block ? left : e->block};
	}
	*ret = take(e);
	return 0;
}

void extents_free(struct extents *e)
{
	if (!e)
		return;
	free(e->free);
	free(e->resting);
	free(e);
}

int extents_take(struct extents *e, u32 cnt, struct extent *ret)
{
	for (size_t i = 0; i < e->free_cnt; i++) {
		struct extent *hole = &e->free[i];

		if (hole->cnt < cnt)
			continue;
		*ret = (struct extent){hole->first, cnt};
		hole->first += cnt;
		hole->cnt -= cnt;
		if (!hole->cnt) {
			e->free_cnt--;
			memmove(hole, hole + 1, (e->free_cnt - i) * sizeof(*hole));
		}
		return 0;
	}
	return -ENOSPC;
}

int extents_leave(struct extents *e, struct extent extent, u64 now_ns)
{
	/* Room for it to become free later: settling must not fail. */
	int err = grow((void **)&e->free, &e->free_capacity, e->free_cnt + e->resting_cnt + 1, sizeof(*e->free));
	if (!err)
		err = grow((void **)&e->resting, &e->resting_capacity, e->resting_cnt + 1, sizeof(*e->resting));
	if (err)
		return err;
	e->resting[e->resting_cnt++] = (struct resting){extent, now_ns + REST_NS};
	return 0;
}

static bool are_neighbours(const struct extents *e, struct extent a, struct extent b)
{
	return a.first + a.cnt == b.first && a.first / e->block == b.first / e->block;
}

static void free_insert(struct extents *e, struct extent extent)
{
	size_t at = 0;

	while (at < e->free_cnt && e->free[at].first < extent.first)
		at++;
	if (at < e->free_cnt && are_neighbours(e, extent, e->free[at])) {
		e->free[at] = (struct extent){extent.first, extent.cnt + e->free[at].cnt};
	} else {
		memmove(&e->free[at + 1], &e->free[at], (e->free_cnt - at) * sizeof(extent));
		e->free[at] = extent;
		e->free_cnt++;
	}
	if (at && are_neighbours(e, e->free[at - 1], e->free[at])) {
		e->free[at - 1].cnt += e->free[at].cnt;
		e->free_cnt--;
		memmove(&e->free[at], &e->free[at + 1], (e->free_cnt - at) * sizeof(extent));
	}
}

void extents_settle(struct extents *e, u64 now_ns)
{
	size_t done = 0;

	while (done < e->resting_cnt && e->resting[done].until_ns <= now_ns)
		free_insert(e, e->resting[done++].extent);
	if (!done)
		return;
	e->resting_cnt -= done;
	memmove(e->resting, e->resting + done, e->resting_cnt * sizeof(*e->resting));
}

u32 extents_resting(const struct extents *e)
{
	u32 cnt = 0;

	for (size_t i = 0; i < e->resting_cnt; i++)
		cnt += e->resting[i].extent.cnt;
	return cnt;
}

u32 extents_free_cnt(const struct extents *e)
{
	u32 cnt = 0;

	for (size_t i = 0; i < e->free_cnt; i++)
		cnt += e->free[i].cnt;
	return cnt;
}
