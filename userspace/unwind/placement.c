/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "unwind/placement.h"

bool placement_frame(struct placement *placement, u64 sp, u64 cfa)
{
	bool found = false;

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

bool placement_is_merged(const struct placement *placement, bool complete)
{
	u32 left = 0;

	for (u32 i = placement->next; i < placement->cnt; i++)
		left += placement->anchors[i] != 0;
	return !placement->missed && (!complete || !left);
}
