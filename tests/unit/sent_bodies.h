/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sent_bodies.h - the window of a test, and what an encoder made of it. */
#ifndef PYPROF_TESTS_SENT_BODIES_H
#define PYPROF_TESTS_SENT_BODIES_H

#include "build_profile.h"
#include "export/destination.h"
#include "wire.h"

#define BODIES_MAX 64

struct sent_bodies {
	struct {
		u8 *bytes; /* as they were put */
		size_t size;
		u8 *unpacked;
		size_t unpacked_size;
	} at[BODIES_MAX];
	size_t cnt;
	size_t fail_at; /* the put that fails, from 1; 0: none does */
};

/* To be given to an encoder. -ENOSPC where it shall fail. */
int sent_put(void *bodies, const void *body, size_t size);
void sent_bodies_deinit(struct sent_bodies *bodies);

#define SENT_BODIES(name) __attribute__((cleanup(sent_bodies_deinit))) struct sent_bodies name = {0}

/* Ten seconds at 19 Hz. */
struct window window_of(struct built_profile *built);

#endif
