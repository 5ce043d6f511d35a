/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* pieces.h - the bodies that one becomes when it is split (destination.h). */
#ifndef PYPROF_PIECES_H
#define PYPROF_PIECES_H

#include <stddef.h>

#include "pyprof/types.h"

struct destination_kind;

struct pieces {
	struct piece {
		void *body;
		size_t size;
	} * at;
	u32 cnt, capacity;
};

/* In order, to be released; none when there is no use in it. -ENOMEM, -EBADMSG: none either. */
int pieces_split(const struct destination_kind *kind, const void *body, size_t size, struct pieces *ret);
void pieces_deinit(struct pieces *pieces);

#endif
