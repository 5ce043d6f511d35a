/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * profile_id.h - the id by which an engine knows a profile again that it was sent twice. It follows
 * from the window, the place and which piece of it this is: made anew, it is the same.
 */
#ifndef PYPROF_PROFILE_ID_H
#define PYPROF_PROFILE_ID_H

#include "profile/profile.h"

#define WINDOW_ID_SIZE 16

struct profile_id {
	u8 bytes[16]; /* a UUID of version 8 (RFC 9562), so that it can be either */
};

/* window: WINDOW_ID_SIZE random bytes. labels: id of the place's label_set; what it says counts. */
int profile_id_make(const u8 *window, const struct profile_tables *tables, u32 labels, u32 piece,
		    struct profile_id *ret);
/* "01234567-89ab-8def-..." */
void profile_id_put(const struct profile_id *id, struct strbuf *b);

#endif
