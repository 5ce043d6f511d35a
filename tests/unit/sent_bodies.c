/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "sent_bodies.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct view all = {.lines = true, .pids = true, .threads = true};

int sent_put(void *ctx, const void *body, size_t size)
{
	struct sent_bodies *bodies = ctx;

	if (bodies->fail_at == bodies->cnt + 1)
		return -ENOSPC;
	cr_assert_lt(bodies->cnt, BODIES_MAX);
	__auto_type at = &bodies->at[bodies->cnt++];
	at->bytes = malloc(size);
	memcpy(at->bytes, body, size);
	at->size = size;
	at->unpacked = gunzip(body, size, &at->unpacked_size);
	return 0;
}

void sent_bodies_deinit(struct sent_bodies *bodies)
{
	for (size_t i = 0; i < bodies->cnt; i++) {
		free(bodies->at[i].bytes);
		free(bodies->at[i].unpacked);
	}
}

struct window window_of(struct built_profile *built)
{
	built->truth.hz = 19;
	built->truth.seconds = 10;
	built->truth.start_realtime_ns = 1795306044000000000;
	return (struct window){
		.profile = built->profile, .truth = &built->truth, .view = &all, .id = "0123456789abcde"};
}
