/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * speedscope.c - writes speedscope's own format
 * (https://www.speedscope.app/file-format-schema.json): the frames once, then for each
 * process (with --threads: each thread) a profile of weighted stacks, so that
 * the viewer's list of profiles is a list of them, the busiest first.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "format/dictionary.h"
#include "format/format.h"
#include "format/json_stream.h"
#include "format/origin_name.h"
#include "pyprof/version.h"

struct speedscope {
	const struct dictionary *dictionary;
	struct json_stream json;
	u64 weight; /* of a sample: nanoseconds, or 1 where it is not known how often there was one */
	bool timed;
	struct place_list places; /* scratch */
};

static void frame_write(struct speedscope *s, const struct dictionary_place *place)
{
	const struct dictionary *d = s->dictionary;
	const struct dictionary_function *function = &d->functions[place->function];

	json_open(&s->json, NULL, '{');
	json_put_text(&s->json, "name", dictionary_text(d, function->name));
	if (function->file != STRING_EMPTY)
		json_put_text(&s->json, "file", dictionary_text(d, function->file));
	else if (place->mapping != MAPPING_NONE)
		json_put_text(&s->json, "file", dictionary_text(d, d->mappings[place->mapping].name));
	if (place->line)
		json_put_number(&s->json, "line", place->line);
	json_close(&s->json, '}');
}

/* ---- one profile ---- */

static int stack_write(struct speedscope *s, u32 stack)
{
	int err = dictionary_stack(s->dictionary, stack, &s->places);

	if (err)
		return err;
	json_open(&s->json, NULL, '[');
	for (u32 i = s->places.cnt; i-- > 0;)
		json_put_number(&s->json, NULL, s->places.at[i]);
	json_close(&s->json, ']');
	return 0;
}

static int profile_write(struct speedscope *s, u32 origin, u64 samples)
{
	const struct dictionary *d = s->dictionary;
	u32 first = dictionary_first_sample(d, origin), end = dictionary_first_sample(d, origin + 1);
	STRBUF(name);
	int err = 0;

	origin_put_name(d, &d->origins[origin], &name);
	if (name.failed)
		return -ENOMEM;
	json_open(&s->json, NULL, '{');
	json_put_text(&s->json, "type", "sampled");
	json_put_text(&s->json, "name", name.at);
	json_put_text(&s->json, "unit", s->timed ? "nanoseconds" : "none");
	json_put_number(&s->json, "startValue", 0);
	json_put_number(&s->json, "endValue", samples * s->weight);
	json_open(&s->json, "samples", '[');
	for (u32 i = first; !err && i < end; i++)
		err = stack_write(s, d->samples[i].stack);
	json_close(&s->json, ']');
	json_open(&s->json, "weights", '[');
	for (u32 i = first; i < end; i++)
		json_put_number(&s->json, NULL, d->samples[i].samples * s->weight);
	json_close(&s->json, ']');
	json_close(&s->json, '}');
	return err;
}

/* ---- all of them ---- */

struct share {
	u32 origin;
	u64 samples;
};

static int compare_shares(const void *a, const void *b)
{
	const struct share *left = a, *right = b;

	if (left->samples != right->samples)
		return left->samples > right->samples ? -1 : 1;
	return left->origin < right->origin ? -1 : 1;
}

static int profiles_write(struct speedscope *s)
{
	const struct dictionary *d = s->dictionary;
	_cleanup_(free) struct share *shares = calloc(d->origin_cnt + 1, sizeof(*shares));
	int err = 0;

	if (!shares)
		return -ENOMEM;
	for (u32 i = 0; i < d->origin_cnt; i++)
		shares[i].origin = i;
	for (u32 i = 0; i < d->sample_cnt; i++)
		shares[d->samples[i].origin].samples += d->samples[i].samples;
	qsort(shares, d->origin_cnt, sizeof(*shares), compare_shares);

	json_open(&s->json, "profiles", '[');
	for (u32 i = 0; !err && i < d->origin_cnt; i++)
		err = profile_write(s, shares[i].origin, shares[i].samples);
	/* The viewer takes a list of nothing for a broken file. */
	if (!d->origin_cnt)
		json_put(&s->json, NULL,
			 json_pack("{ss ss ss si si s[] s[]}", "type", "sampled", "name", "no samples", "unit", "none",
				   "startValue", 0, "endValue", 0, "samples", "weights"));
	json_close(&s->json, ']');
	return err;
}

static int document_write(struct speedscope *s)
{
	const struct dictionary *d = s->dictionary;

	json_open(&s->json, NULL, '{');
	json_put_text(&s->json, "$schema", "https://www.speedscope.app/file-format-schema.json");
	json_open(&s->json, "shared", '{');
	json_open(&s->json, "frames", '[');
	for (u32 i = 0; i < d->place_cnt; i++)
		frame_write(s, &d->places[i]);
	json_close(&s->json, ']');
	json_close(&s->json, '}');
	int err = profiles_write(s);
	if (err)
		return err;
	json_put_text(&s->json, "name", "pyprof-bpf");
	json_put_number(&s->json, "activeProfileIndex", 0);
	json_put_text(&s->json, "exporter", "pyprof-bpf@" PYPROF_VERSION);
	json_close(&s->json, '}');
	return json_finish(&s->json);
}

int speedscope_write(const struct profile *profile, const struct truth *truth, const struct view *view, FILE *out)
{
	_cleanup_(dictionary) struct dictionary *dictionary = NULL;

	int err = dictionary_new(profile, view, false, &dictionary);
	if (err)
		return err;
	struct speedscope s = {.dictionary = dictionary,
			       .json = {.out = out},
			       .timed = truth->hz,
			       .weight = truth->hz ? (NS_PER_S + truth->hz / 2) / truth->hz : 1};
	err = document_write(&s);
	free(s.places.at);
	return err;
}
