/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sink with engines of our own: what they are told is written down by their encode. */
#include "sink/sink.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "build_profile.h"
#include "export/destination.h"

enum { TOLD_MAX = 8 };

/* What an engine was told of each window; encode has no argument of the test's. */
struct told {
	u64 samples[TOLD_MAX], ring_full[TOLD_MAX], no_memory[TOLD_MAX];
	size_t cnt;
	int fail_before, fail_after; /* -errno, of the next encode: before or after its first body */
};

static struct told first, second;

static int encode_to(struct told *told, const struct window *window,
		     int (*put)(void *ctx, const void *body, size_t size), void *ctx)
{
	int err = told->fail_before;

	told->fail_before = 0;
	if (err)
		return err;
	cr_assert_lt(told->cnt, TOLD_MAX);
	told->samples[told->cnt] = window->truth->samples;
	told->ring_full[told->cnt] = window->truth->lost[LOSS_RING_FULL];
	told->no_memory[told->cnt] = window->truth->lost[LOSS_NO_MEMORY];
	told->cnt++;
	cr_assert_eq(put(ctx, "body", 4), 0);
	err = told->fail_after;
	told->fail_after = 0;
	return err;
}

static int encode_first(const struct window *window, int (*put)(void *ctx, const void *body, size_t size), void *ctx)
{
	return encode_to(&first, window, put, ctx);
}

static int encode_second(const struct window *window, int (*put)(void *ctx, const void *body, size_t size), void *ctx)
{
	return encode_to(&second, window, put, ctx);
}

static const struct destination_kind kinds[] = {
	{.name = "first", .path = "/", .content_type = "application/x-test", .encode = encode_first},
	{.name = "second", .path = "/", .content_type = "application/x-test", .encode = encode_second},
};

/* Nobody listens on port 1: what is put waits in memory. */
static const struct destination destinations[] = {
	{.kind = &kinds[0], .url = (char *)"http://127.0.0.1:1/a", .name = (char *)"first", .is_local = true},
	{.kind = &kinds[1], .url = (char *)"http://127.0.0.1:1/b", .name = (char *)"second", .is_local = true},
};

static void hear(void *ctx, bool is_error, const char *line)
{
}

static const struct exporter_options to_both = {.destinations = destinations, .destination_cnt = 2, .on_message = hear};

static struct sink *open_sink(void)
{
	struct sink *sink = NULL;

	cr_assert_eq(export_sink.open(&(struct sink_options){.export = &to_both}, &sink), 0);
	return sink;
}

static void consume(struct sink *sink, const struct built_profile *built, const struct truth *truth)
{
	cr_assert_eq(export_sink.consume(sink, built->profile, truth, false), 0);
}

Test(export_sink, what_a_window_without_samples_lost_is_said_by_the_next)
{
	BUILT_PROFILE(some, "a (1);f (x.py:1) 3\n");
	BUILT_PROFILE(none, "");
	_cleanup_(sink) struct sink *sink = open_sink();
	struct truth truth = {.samples = 3, .lost[LOSS_RING_FULL] = 1};

	consume(sink, &some, &truth);
	truth.lost[LOSS_RING_FULL] += 40;
	consume(sink, &none, &truth);
	truth.lost[LOSS_RING_FULL] += 2;
	truth.lost[LOSS_NO_MEMORY] = 7;
	consume(sink, &none, &truth);
	truth.samples += 3;
	truth.lost[LOSS_RING_FULL] += 100;
	consume(sink, &some, &truth);
	truth.samples += 3;
	consume(sink, &some, &truth);
	cr_assert_eq(first.cnt, 3);
	cr_expect_eq(first.ring_full[0], 1);
	cr_expect_eq(first.ring_full[1], 142, "%llu", first.ring_full[1]);
	cr_expect_eq(first.no_memory[1], 7);
	cr_expect_eq(first.samples[1], 3);
	cr_expect(!first.ring_full[2] && !first.no_memory[2], "who adds them up counts them twice");
}

Test(export_sink, an_engine_that_got_nothing_of_a_window_is_told_later_what_that_lost)
{
	BUILT_PROFILE(some, "a (1);f (x.py:1) 3\n");
	_cleanup_(sink) struct sink *sink = open_sink();
	struct truth truth = {.samples = 3, .lost[LOSS_RING_FULL] = 5};

	first.fail_before = -ENOMEM;
	second.fail_after = -ENOMEM;
	consume(sink, &some, &truth);
	truth.lost[LOSS_RING_FULL] += 10;
	consume(sink, &some, &truth);
	cr_assert(first.cnt == 1 && second.cnt == 2);
	cr_expect_eq(first.ring_full[0], 15, "%llu", first.ring_full[0]);
	cr_expect_eq(second.ring_full[0], 5);
	cr_expect_eq(second.ring_full[1], 10, "%llu", second.ring_full[1]);
}
