/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "unwind/placement.h"

bool placement_frame(struct placement *placement, u64 sp, u64 cfa)
{
	bool found = false;

	for (; placement->next < placement->cnt && placement->anchors[placement->next] < cfa; placement->next++) {
		if (found || placement->anchors[placement->next] < sp)
			placement->missed = true;
		else
			found = true;
	}
	return found;
}

bool placement_is_merged(const struct placement *placement, bool complete)
{
	return !placement->missed && (!complete || placement->next == placement->cnt);
}
