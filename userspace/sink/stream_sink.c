/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * stream_sink.c - windows on stdout, each flushed: a line
 *	# window START SECONDS HZ SAMPLES LOST
 * and its folded lines. Windows are contiguous: each begins where the one before ended.
 */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "sink/sink.h"

struct stream_sink {
	struct sink sink;
	u64 end_ms; /* of the window before, since the start of the profile */
	u64 lost;
};

static int stream_open(const struct sink_options *options, struct sink **ret)
{
	struct stream_sink *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->sink = (struct sink){&stream_sink, *options};
	*ret = &s->sink;
	return 0;
}

static int stream_consume(struct sink *sink, const struct profile *profile, const struct truth *truth, bool last)
{
	struct stream_sink *s = (struct stream_sink *)sink;
	u64 end_ms = (u64)(truth->seconds * 1000 + 0.5);
	u64 length_ms = end_ms - s->end_ms;
	u64 lost = truth_lost(truth);
	char start[RFC3339_SIZE];

	/* In whole milliseconds, so that START and SECONDS of neighbours add up exactly. */
	clock_format_rfc3339(truth->start_realtime_ns / NS_PER_MS * NS_PER_MS + s->end_ms * NS_PER_MS, start,
			     sizeof(start));
	printf("# window %s %llu.%03llu %u %llu %llu\n", start, length_ms / 1000, length_ms % 1000, truth->hz,
	       profile_samples(profile), lost > s->lost ? lost - s->lost : 0);
	s->end_ms = end_ms;
	if (lost > s->lost)
		s->lost = lost;

	int err = folded_write(profile, truth, &sink->options.view, stdout);
	if (!err && fflush(stdout))
		err = -errno;
	return err;
}

static u64 stream_period_ns(const struct sink *sink)
{
	return sink->options.window_ns;
}

static void stream_close(struct sink *sink)
{
	free(sink);
}

const struct sink_type stream_sink = {
	.open = stream_open,
	.consume = stream_consume,
	.period_ns = stream_period_ns,
	.close = stream_close,
};
