/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "unwind/placement.h"

#include "pyprof/unwind.h"

static bool is_eval_loop(const struct placement *placement, u64 pc)
{
	for (u32 i = 0; i < EVAL_RANGES && placement->counted->eval[i].size; i++)
		if (pc - (placement->runtime + (s64)placement->counted->eval[i].start) <
		    placement->counted->eval[i].size)
			return true;
	return false;
}

bool placement_frame(struct placement *placement, u64 pc, u64 sp, u64 cfa)
{
	bool found = false;

	if (placement->counted) {
		found = is_eval_loop(placement, pc);
		placement->next += found;
		return found;
	}
	for (; placement->next < placement->cnt && placement->anchors[placement->next] < cfa; placement->next++) {
		if (!placement->anchors[placement->next])
			continue;
		if (found || placement->anchors[placement->next] < sp)
			placement->missed = true;
		else
			found = true;
	}
	return found;
}

void placement_settle(struct placement *placement, u64 *words, u32 cnt)
{
	u32 i = 0;

	if (!placement->counted || placement->is_cut || placement->next != placement->cnt + 1)
		return;
	while (i < cnt && i <= PLACE_DEPTH_MAX && !(words[i] & NATIVE_RUN))
		i++;
	if (i >= cnt || i > PLACE_DEPTH_MAX)
		return;
	words[i] &= ~NATIVE_RUN;
	placement->next--;
}

bool placement_is_merged(const struct placement *placement, bool complete)
{
	u32 left = 0;

	if (placement->counted)
		return placement->next == placement->cnt ||
		       (placement->next < placement->cnt ? !complete : placement->is_cut);

	for (u32 i = placement->next; i < placement->cnt; i++)
		left += placement->anchors[i] != 0;
	return !placement->missed && (!complete || !left);
}
