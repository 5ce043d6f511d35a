/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "tui/status.h"

#include <stddef.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "profile/profile.h"
#include "tui/cells.h"

static double truth_own_cpu_s(const struct truth *truth)
{
	return truth->agent_cpu_s + (double)truth->bpf_ns / NS_PER_S;
}

void status_of(const struct truth *now, const struct truth *before, struct status *ret)
{
	static const struct truth none;

	if (!before || before->start_realtime_ns != now->start_realtime_ns || before->seconds >= now->seconds ||
	    before->samples > now->samples)
		before = &none;
	double seconds = now->seconds - before->seconds;

	*ret = (struct status){
		.processes = now->processes,
		.python_processes = now->python_processes,
		.samples = now->samples,
		.lost = truth_lost(now),
	};
	if (seconds <= 0)
		return;
	ret->samples_per_s = (now->samples - before->samples) / seconds;
	ret->own_cpus = (truth_own_cpu_s(now) - truth_own_cpu_s(before)) / seconds;
	if (ret->own_cpus < 0)
		ret->own_cpus = 0;
}

static void put_in_words(const struct status *s, struct strbuf *b)
{
	strbuf_printf(b, "%.0f samples/s, %u process%s (%u Python), ", s->samples_per_s, s->processes,
		      s->processes == 1 ? "" : "es", s->python_processes);
	if (s->lost)
		strbuf_printf(b, "%llu lost (%.1f %%), ", s->lost, 100.0 * s->lost / (s->samples + s->lost));
	else
		strbuf_put(b, "no losses, ");
	strbuf_printf(b, "pyprof-bpf uses %.1f %% of one CPU", 100 * s->own_cpus);
}

static void put_in_brief(const struct status *s, struct strbuf *b)
{
	strbuf_printf(b, "%.0f/s, %u proc (%u py), %llu lost, own %.1f %%", s->samples_per_s, s->processes,
		      s->python_processes, s->lost, 100 * s->own_cpus);
}

static void put_the_least(const struct status *s, struct strbuf *b)
{
	strbuf_printf(b, "%.0f/s, %llu lost, own %.1f %%", s->samples_per_s, s->lost, 100 * s->own_cpus);
}

void status_put(const struct status *status, int columns, struct strbuf *b)
{
	static void (*const forms[])(const struct status *, struct strbuf *) = {put_in_words, put_in_brief,
										put_the_least};
	STRBUF(text);

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		strbuf_clear(&text);
		forms[i](status, &text);
		if (cells_width(text.at) <= columns)
			break;
	}
	cells_put(b, text.at, columns, ELIDE_MIDDLE);
}
