/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * profile_cut.h - a profile in pieces that are as large as an engine takes them. How large one
 * is shows when it is written: so it is halved until its pieces fit. Places stay whole for as long as that is possible.
 */
#ifndef PYPROF_PROFILE_CUT_H
#define PYPROF_PROFILE_CUT_H

#include <stdbool.h>
#include <stddef.h>

struct profile;

/* Entries first to end - 1 of a profile are added to another one, which has the same tables, with what is common to all. */
int profile_copy_entries(const struct profile *from, size_t first, size_t end, struct profile *to);

/*
 * Calls put with the whole, and where that says -EFBIG, with its halves; so on down to
 * a single stack, which is_last tells: that one cannot be cut. Ends at any other value than 0, and returns it. Each
 * sample is in one piece that was taken. Pieces share the whole's tables, and live for the call; places that
 * say the same have become one in them.
 */
int profile_cut(const struct profile *profile, int (*put)(void *ctx, const struct profile *piece, bool is_last),
		void *ctx);

#endif
