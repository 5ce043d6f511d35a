/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * live_sink.c - the table on the terminal, redrawn each second. It shows the last
 * few seconds, not the whole run: one second has too few samples to be quiet, the
 * whole run too many to move.
 */
#include <errno.h>

#include "base/clock.h"
#include "sink/sink.h"
#include "tui/live.h"

#define REFRESH_NS	  NS_PER_S
#define SECONDS_SHOWN_MAX 60

struct live_sink {
	struct sink sink;
	struct live *live;
	struct profile *seconds[SECONDS_SHOWN_MAX]; /* a ring */
	size_t second_cnt, next;
};

DEFINE_CLEANUP(live_sink, struct live_sink *, free)

static int live_sink_open(const struct sink_options *options, struct sink **ret)
{
	struct live_options live = {.view = options->view, .whole_host = options->whole_host};
	_cleanup_(live_sink) struct live_sink *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;

	s->sink = (struct sink){&live_sink, *options};
	s->second_cnt = options->window_ns / REFRESH_NS;
	if (s->second_cnt < 1)
		s->second_cnt = 1;
	if (s->second_cnt > SECONDS_SHOWN_MAX)
		s->second_cnt = SECONDS_SHOWN_MAX;
	int err = live_open(&live, &s->live);
	if (err)
		return err;
	*ret = &take(s)->sink;
	return 0;
}

static int profile_add_all(struct profile *to, const struct profile *from)
{
	for (size_t i = 0; i < profile_cnt(from); i++) {
		const struct profile_entry *entry = profile_at(from, i);
		u32 origin;
		int err = profile_origin(to, profile_origin_at(from, entry->origin), &origin);

		if (!err)
			err = profile_add(to, origin, entry->stack, entry->samples);
		if (err)
			return err;
	}
	return 0;
}

static int live_consume(struct sink *sink, const struct profile *profile, const struct truth *truth, bool last)
{
	struct live_sink *s = (struct live_sink *)sink;
	struct profile **second = &s->seconds[s->next++ % s->second_cnt];
	_cleanup_(profile) struct profile *sum = NULL;

	profile_free(take(*second));
	int err = profile_new(profile_tables_of(profile), second);
	if (!err)
		err = profile_add_all(*second, profile);
	if (!err)
		err = profile_new(profile_tables_of(profile), &sum);
	for (size_t i = 0; i < s->second_cnt && !err; i++)
		if (s->seconds[i])
			err = profile_add_all(sum, s->seconds[i]);
	if (err || last)
		return err;
	live_set_span(s->live, (double)(s->next < s->second_cnt ? s->next : s->second_cnt));
	return live_draw(s->live, sum, truth);
}

static int live_sink_fd(const struct sink *sink)
{
	return live_fd(((const struct live_sink *)sink)->live);
}

static int live_speak(struct sink *sink, bool *ret_quit)
{
	return live_key(((struct live_sink *)sink)->live, ret_quit);
}

static u64 live_period_ns(const struct sink *sink)
{
	return REFRESH_NS;
}

static void live_forget(struct sink *sink)
{
	struct live_sink *s = (struct live_sink *)sink;

	for (size_t i = 0; i < s->second_cnt; i++)
		profile_free(take(s->seconds[i]));
}

static void live_sink_close(struct sink *sink)
{
	struct live_sink *s = (struct live_sink *)sink;

	live_close(s->live);
	live_forget(sink);
	free(s);
}

const struct sink_type live_sink = {
	.open = live_sink_open,
	.consume = live_consume,
	.fd = live_sink_fd,
	.speak = live_speak,
	.period_ns = live_period_ns,
	.forget = live_forget,
	.close = live_sink_close,
	.owns_terminal = true,
};
