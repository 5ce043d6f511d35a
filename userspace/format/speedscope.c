/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * speedscope.c - writes speedscope's own format
 * (https://www.speedscope.app/file-format-schema.json): the frames once, then for each
 * process (with --threads: each thread) a profile of weighted stacks, so that
 * the viewer's list of profiles is a list of them, the busiest first. --per container makes
 * it a list of containers: their processes and threads are frames then, behind those of code.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "format/dictionary.h"
#include "format/format.h"
#include "format/json_stream.h"
#include "format/origin_name.h"
#include "profile/root.h"
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

/* A process, or a thread of one, as a frame: its number is behind those of the places. */
static int origin_write(struct speedscope *s, const struct origin *origin)
{
	const struct dictionary *d = s->dictionary;
	STRBUF(name);

	origin_put_track(d->profile, origin, &d->view, &name);
	json_open(&s->json, NULL, '{');
	json_put_text(&s->json, "name", name.at);
	json_close(&s->json, '}');
	return name.failed ? -ENOMEM : 0;
}

/* ---- one profile ---- */

static bool is_per_container(const struct speedscope *s)
{
	return s->dictionary->view.per == PER_CONTAINER;
}

static int stack_write(struct speedscope *s, const struct dictionary_sample *sample)
{
	int err = dictionary_stack(s->dictionary, sample->stack, &s->places);

	if (err)
		return err;
	json_open(&s->json, NULL, '[');
	if (is_per_container(s))
		json_put_number(&s->json, NULL, s->dictionary->place_cnt + sample->origin);
	for (u32 i = s->places.cnt; i-- > 0;)
		json_put_number(&s->json, NULL, s->places.at[i]);
	json_close(&s->json, ']');
	return 0;
}

/* Origins that are one profile, side by side in the array of shares. */
struct share {
	u32 origin;
	struct origin_root root;
	u64 samples; /* of the whole profile */
};

static int profile_put_name(struct speedscope *s, const struct origin *origin)
{
	const struct dictionary *d = s->dictionary;
	STRBUF(name);

	if (is_per_container(s))
		origin_put_root(d->profile, origin, &d->view, &name);
	else
		origin_put_name(d, origin, &name);
	json_put_text(&s->json, "name", name.at);
	return name.failed ? -ENOMEM : 0;
}

static int profile_write(struct speedscope *s, const struct share *shares, u32 cnt)
{
	const struct dictionary *d = s->dictionary;
	int err;

	json_open(&s->json, NULL, '{');
	json_put_text(&s->json, "type", "sampled");
	err = profile_put_name(s, &d->origins[shares->origin]);
	json_put_text(&s->json, "unit", s->timed ? "nanoseconds" : "none");
	json_put_number(&s->json, "startValue", 0);
	json_put_number(&s->json, "endValue", shares->samples * s->weight);
	json_open(&s->json, "samples", '[');
	for (u32 i = 0; i < cnt; i++)
		for (u32 k = dictionary_first_sample(d, shares[i].origin);
		     !err && k < dictionary_first_sample(d, shares[i].origin + 1); k++)
			err = stack_write(s, &d->samples[k]);
	json_close(&s->json, ']');
	json_open(&s->json, "weights", '[');
	for (u32 i = 0; i < cnt; i++)
		for (u32 k = dictionary_first_sample(d, shares[i].origin);
		     k < dictionary_first_sample(d, shares[i].origin + 1); k++)
			json_put_number(&s->json, NULL, d->samples[k].samples * s->weight);
	json_close(&s->json, ']');
	json_close(&s->json, '}');
	return err;
}

/* ---- all of them ---- */

/* Without --per container each origin is a profile of its own, whatever it shares with others. */
static bool same_profile(const struct speedscope *s, const struct share *a, const struct share *b)
{
	return is_per_container(s) ? a->root.place == b->root.place : a->origin == b->origin;
}

static int compare_places(const void *a, const void *b)
{
	const struct share *left = a, *right = b;

	if (left->root.place != right->root.place)
		return left->root.place < right->root.place ? -1 : 1;
	return left->origin < right->origin ? -1 : 1;
}

/* Of one profile all have the same samples. */
static int compare_shares(const void *a, const void *b)
{
	const struct share *left = a, *right = b;

	if (left->samples != right->samples)
		return left->samples > right->samples ? -1 : 1;
	return compare_places(a, b);
}

static int shares_fill(const struct speedscope *s, struct share **ret)
{
	const struct dictionary *d = s->dictionary;
	struct share *shares = calloc(d->origin_cnt + 1, sizeof(*shares));

	if (!shares)
		return -ENOMEM;
	for (u32 i = 0; i < d->origin_cnt; i++) {
		shares[i].origin = i;
		if (is_per_container(s))
			origin_root_of(profile_tables_of(d->profile), &d->origins[i], &d->view, &shares[i].root);
	}
	for (u32 i = 0; i < d->sample_cnt; i++)
		shares[d->samples[i].origin].samples += d->samples[i].samples;
	qsort(shares, d->origin_cnt, sizeof(*shares), compare_places);
	for (u32 first = 0, end; first < d->origin_cnt; first = end) {
		u64 samples = 0;

		for (end = first; end < d->origin_cnt && same_profile(s, &shares[end], &shares[first]); end++)
			samples += shares[end].samples;
		for (u32 i = first; i < end; i++)
			shares[i].samples = samples;
	}
	qsort(shares, d->origin_cnt, sizeof(*shares), compare_shares);
	*ret = shares;
	return 0;
}

static int profiles_write(struct speedscope *s)
{
	const struct dictionary *d = s->dictionary;
	_cleanup_(free) struct share *shares = NULL;
	int err = shares_fill(s, &shares);

	if (err)
		return err;
	json_open(&s->json, "profiles", '[');
	for (u32 first = 0, end; !err && first < d->origin_cnt; first = end) {
		for (end = first + 1; end < d->origin_cnt && same_profile(s, &shares[end], &shares[first]); end++)
			;
		err = profile_write(s, &shares[first], end - first);
	}
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
	int err = 0;

	json_open(&s->json, NULL, '{');
	json_put_text(&s->json, "$schema", "https://www.speedscope.app/file-format-schema.json");
	json_open(&s->json, "shared", '{');
	json_open(&s->json, "frames", '[');
	for (u32 i = 0; i < d->place_cnt; i++)
		frame_write(s, &d->places[i]);
	for (u32 i = 0; !err && is_per_container(s) && i < d->origin_cnt; i++)
		err = origin_write(s, &d->origins[i]);
	json_close(&s->json, ']');
	json_close(&s->json, '}');
	if (!err)
		err = profiles_write(s);
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
	_cleanup_(profile) struct profile *tracks = NULL;
	_cleanup_(dictionary) struct dictionary *dictionary = NULL;

	int err = profile_by_track(profile, view, &tracks);
	if (!err)
		err = dictionary_new(tracks, view, false, &dictionary);
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
