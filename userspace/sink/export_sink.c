/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * export_sink.c - each window to the engines of a fleet. A window is encoded here, at once, for the
 * tables that give its ids their meaning change; the exporter delivers it whenever it can.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "sink/sink.h"

#define FLUSH_NS     (5 * NS_PER_S) /* how long the end may wait for the network */
#define CLOCK_OFF_NS (2 * NS_PER_S) /* less is the time that names took */

struct export_sink {
	struct sink sink;
	struct exporter *exporter;
	struct truth before; /* when the window before ended */
	u64 (*untold)[LOSS_CNT]; /* by destination: lost in windows of which it was sent nothing */
	u64 failed; /* windows that one of the engines does not get: memory was short */
	u64 lost; /* messages that could neither be sent nor kept at the end */
};

static int export_open(const struct sink_options *options, struct sink **ret)
{
	struct export_sink *s = calloc(1, sizeof(*s));
	const char *step;

	if (!s)
		return -ENOMEM;
	s->sink = (struct sink){&export_sink, *options};
	s->untold = calloc(options->export->destination_cnt + 1, sizeof(*s->untold));
	int err = s->untold ? exporter_new(options->export, &s->exporter, options->ret_step ? options->ret_step : &step)
			    : -ENOMEM;
	if (err) {
		free(s->untold);
		free(s);
		return err;
	}
	*ret = &s->sink;
	return 0;
}

struct parcel {
	struct exporter *exporter;
	size_t destination;
	u32 cnt;
};

static int parcel_put(void *ctx, const void *body, size_t size)
{
	struct parcel *parcel = ctx;
	int err = exporter_put(parcel->exporter, parcel->destination, body, size);

	parcel->cnt += !err;
	return err;
}

/*
 * A run's windows follow each other by the monotonic clock. Where the host's clock was set since, or the machine slept,
 * that is another time than the engines', which refuse what is too old or to come.
 */
static void start_correct(struct truth *window)
{
	u64 told_ns = clock_realtime_ns() - (u64)(window->seconds * NS_PER_S);
	u64 off_ns = told_ns > window->start_realtime_ns ? told_ns - window->start_realtime_ns
							 : window->start_realtime_ns - told_ns;

	if (off_ns > CLOCK_OFF_NS)
		window->start_realtime_ns = told_ns;
}

/*
 * What was lost is said by the first message of a window (format/otlp.c). Where there is none, for nothing
 * else was left of the window or memory was short, the next one says it too.
 */
static void window_send(struct export_sink *s, size_t destination, const struct window *window)
{
	u64 *untold = s->untold[destination];
	struct parcel parcel = {s->exporter, destination, 0};
	struct truth truth = *window->truth;
	struct window told = *window;

	for (int i = 0; i < LOSS_CNT; i++)
		untold[i] = truth.lost[i] += untold[i];
	told.truth = &truth;
	/* What one window cannot have is no reason to end what runs for months. */
	if (s->sink.options.export->destinations[destination].kind->encode(&told, parcel_put, &parcel))
		s->failed++;
	if (parcel.cnt)
		memset(untold, 0, sizeof(s->untold[destination]));
}

static void window_keep_losses(struct export_sink *s, const struct truth *truth)
{
	for (size_t d = 0; d < s->sink.options.export->destination_cnt; d++)
		for (int i = 0; i < LOSS_CNT; i++)
			s->untold[d][i] += truth->lost[i];
}

static int export_consume(struct sink *sink, const struct profile *profile, const struct truth *truth, bool last)
{
	struct export_sink *s = (struct export_sink *)sink;
	struct truth since;
	struct window window = {.profile = profile, .truth = &since, .view = &sink->options.view};

	truth_since(truth, &s->before, &since);
	start_correct(&since);
	s->before = *truth;
	bool has_id = getrandom(window.id, sizeof(window.id), 0) == sizeof(window.id);
	if (!has_id)
		s->failed++;
	if (!has_id || !profile_samples(profile)) {
		window_keep_losses(s, &since);
		return 0;
	}
	for (size_t i = 0; i < sink->options.export->destination_cnt; i++)
		window_send(s, i, &window);
	return 0;
}

/* What is kept is known when it is on disk, not before. */
static void export_flush(struct sink *sink, bool (*is_over)(void *ctx), void *ctx)
{
	struct export_sink *s = (struct export_sink *)sink;
	struct exporter_counts before, after;

	exporter_flush(s->exporter, FLUSH_NS, is_over, ctx);
	exporter_counts(s->exporter, &before);
	exporter_stop(s->exporter);
	exporter_counts(s->exporter, &after);
	s->lost = after.dropped - before.dropped;
}

static u64 export_period_ns(const struct sink *sink)
{
	return sink->options.window_ns;
}

static void export_put_words(const struct sink *sink, struct strbuf *b)
{
	const struct export_sink *s = (const struct export_sink *)sink;
	struct exporter_counts c;

	exporter_counts(s->exporter, &c);
	strbuf_printf(b, "Export: %llu requests sent (%.1f MB)", c.sent, (double)c.sent_bytes / 1e6);
	if (c.resent)
		strbuf_printf(b, ", %llu tried again", c.resent);
	if (c.refused)
		strbuf_printf(b, ", %llu refused", c.refused);
	if (c.rejected)
		strbuf_printf(b, ", but for %llu profiles in them", c.rejected);
	if (c.damaged)
		strbuf_printf(b, ", %llu damaged in the spool", c.damaged);
	if (s->failed)
		strbuf_printf(b, ", %llu windows not made for want of memory", s->failed);
	if (c.dropped > s->lost)
		strbuf_printf(b, ", %llu dropped", c.dropped - s->lost);
	if (c.waiting)
		strbuf_printf(b, ", %llu kept for the next run", c.waiting);
	if (s->lost)
		strbuf_printf(b,
			      sink->options.export->spool_path
				      ? ", %llu lost, for they could not be sent and the spool had no room"
				      : ", %llu lost, for they could not be sent (see --spool)",
			      s->lost);
	strbuf_put_char(b, '.');
}

static void export_close(struct sink *sink)
{
	struct export_sink *s = (struct export_sink *)sink;

	exporter_free(s->exporter);
	free(s->untold);
	free(s);
}

const struct sink_type export_sink = {
	.open = export_open,
	.consume = export_consume,
	.flush = export_flush,
	.period_ns = export_period_ns,
	.put_words = export_put_words,
	.close = export_close,
};
