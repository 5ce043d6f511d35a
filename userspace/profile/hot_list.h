/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* hot_list.h - a profile as a list of functions, hottest first: what the live table and a summary show. */
#ifndef PYPROF_HOT_LIST_H
#define PYPROF_HOT_LIST_H

#include "profile/profile.h"

enum hot_sort { HOT_SORT_SELF, HOT_SORT_TOTAL, HOT_SORT_FUNCTION, HOT_SORT_PROCESS, HOT_SORT_CNT };

struct hot_row {
	u64 self, total; /* samples; a recursive function counts once per sample in total */
	u32 frame; /* a frame id; the hottest line of this function in this process */
	u32 origin; /* a process */
};

/* No frame: its samples have empty stacks. */
#define HOT_NO_FRAME 0xffffffffu

struct hot_process {
	u32 origin;
	u64 samples;
	/*
	 * Of the function with the most self samples, or HOT_NO_FRAME. Of the Python
	 * one if there is any, where what C code spends on its behalf counts too.
	 */
	u32 hottest;
};

struct hot_list {
	u64 samples;
	size_t cnt;
	struct hot_row *rows; /* one per (process, function, file), sorted */
	size_t process_cnt;
	struct hot_process *processes; /* by samples, most first */
};

/* A process is what the view has at the root (root.h). */
int hot_list_build(const struct profile *profile, const struct view *view, enum hot_sort sort, struct hot_list *ret);
void hot_list_deinit(struct hot_list *list);

#endif
