/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pprof.c - writes what `go tool pprof`, Pyroscope, Parca, speedscope and others
 * read: a gzipped protobuf message, pprof.Profile. It is written part by part, for the
 * encoding of a message is the encodings of its parts one after another.
 *
 * Sample types are samples/count and cpu/nanoseconds. What a frame is shows by its
 * mapping (dictionary.h); the first mapping is what pprof takes for the main program.
 * Of a file the mapping says the path, as the process sees it, and the build id. What people call it follows from the
 * path (mapping_shown_name()); where it does not, its functions say so in place of their source file:
 * "[pyprof-bpf] NAME".
 * Labels are those of label.h. system_name stays empty: names are readable already, and
 * pprof takes the <> out of one that it finds there ("<module>" would become "").
 */
#include <errno.h>
#include <stdint.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "base/visible.h"
#include "format/dictionary.h"
#include "format/format.h"
#include "format/gzip.h"
#include "format/output.h"
#include "format/pprof_comment.h"
#include "proto/pprof.pb-c.h"

#define OUT_PIECE (64u << 10)

struct pprof_writer {
	ProtobufCBuffer base; /* protobuf-c appends to this; first, so that its address is ours */
	struct dictionary *dictionary;
	struct truth truth; /* a copy: what is cut is counted */
	struct pprof_limits limits;
	u32 cut_place; /* of the frame that says so; there if any stack is too deep */
	struct gzip_writer *gzip;
	struct strbuf out; /* not yet packed */
	u64 period_ns; /* CPU time of a sample; 0: not known, then there is no cpu/nanoseconds */
	struct place_list places; /* scratch */
	u64 *location_ids; /* scratch */
	u32 location_capacity;
};

static void append(ProtobufCBuffer *base, size_t size, const u8 *bytes)
{
	struct pprof_writer *w = (struct pprof_writer *)base;

	strbuf_put_size(&w->out, (const char *)bytes, size);
}

static int flush(struct pprof_writer *w, size_t at_least)
{
	if (w->out.failed)
		return -ENOMEM;
	if (w->out.size < at_least)
		return 0;
	int err = gzip_writer_put(w->gzip, w->out.at, w->out.size);
	strbuf_clear(&w->out);
	return err;
}

/* A profile that holds just this part. */
static int put(struct pprof_writer *w, const Pprof__Profile *part)
{
	protobuf_c_message_pack_to_buffer(&part->base, &w->base);
	return flush(w, OUT_PIECE);
}

/* ---- parts ---- */

static int value_type(struct pprof_writer *w, const char *type, const char *unit, Pprof__ValueType *ret)
{
	u32 type_id, unit_id;
	int err = dictionary_string(w->dictionary, type, &type_id);

	if (!err)
		err = dictionary_string(w->dictionary, unit, &unit_id);
	if (err)
		return err;
	*ret = (Pprof__ValueType)PPROF__VALUE_TYPE__INIT;
	ret->type = type_id;
	ret->unit = unit_id;
	return 0;
}

static int put_head(struct pprof_writer *w)
{
	Pprof__ValueType samples, cpu, *types[] = {&samples, &cpu};
	Pprof__Profile head = PPROF__PROFILE__INIT;

	int err = value_type(w, "samples", "count", &samples);
	if (!err && w->period_ns)
		err = value_type(w, "cpu", "nanoseconds", &cpu);
	if (err)
		return err;
	head.sample_type = types;
	head.n_sample_type = 1;
	head.default_sample_type = samples.type;
	if (w->period_ns) {
		head.n_sample_type = 2;
		head.default_sample_type = cpu.type;
		head.period_type = &cpu;
		head.period = w->period_ns;
	}
	head.time_nanos = w->truth.start_realtime_ns;
	head.duration_nanos = w->truth.seconds * NS_PER_S;
	return put(w, &head);
}

static int put_mapping(struct pprof_writer *w, u64 id, const struct dictionary_mapping *from)
{
	Pprof__Mapping mapping = PPROF__MAPPING__INIT, *mappings = &mapping;
	Pprof__Profile part = PPROF__PROFILE__INIT;

	mapping.id = id;
	mapping.filename = from->name;
	mapping.build_id = from->build_id;
	mapping.has_functions = true;
	mapping.has_filenames = mapping.has_line_numbers = from->kind == FRAME_PYTHON;
	part.mapping = &mappings;
	part.n_mapping = 1;
	return put(w, &part);
}

/* Ours is the first, whether anything lies in it or not; then index plus 2. */
static int put_mappings(struct pprof_writer *w)
{
	const struct dictionary *d = w->dictionary;
	struct dictionary_mapping ours = {.kind = FRAME_LOSS};
	int err = dictionary_string(w->dictionary, MAPPING_OURS, &ours.name);

	if (!err)
		err = put_mapping(w, 1, &ours);
	for (u32 i = 0; !err && i < d->mapping_cnt; i++)
		if (d->mappings[i].kind != FRAME_LOSS)
			err = put_mapping(w, i + 2, &d->mappings[i]);
	return err;
}

static u64 mapping_id(const struct dictionary *d, u32 mapping)
{
	if (mapping == MAPPING_NONE)
		return 0;
	return d->mappings[mapping].kind == FRAME_LOSS ? 1 : mapping + 2;
}

static int put_location(struct pprof_writer *w, u32 i)
{
	const struct dictionary_place *place = &w->dictionary->places[i];
	Pprof__Line line = PPROF__LINE__INIT, *lines = &line;
	Pprof__Location location = PPROF__LOCATION__INIT, *locations = &location;
	Pprof__Profile part = PPROF__PROFILE__INIT;

	line.function_id = place->function + 1;
	line.line = place->line;
	location.id = i + 1;
	location.mapping_id = mapping_id(w->dictionary, place->mapping);
	location.address = place->address;
	location.line = &lines;
	location.n_line = 1;
	part.location = &locations;
	part.n_location = 1;
	return put(w, &part);
}

static int put_function(struct pprof_writer *w, u32 i)
{
	Pprof__Function function = PPROF__FUNCTION__INIT, *functions = &function;
	Pprof__Profile part = PPROF__PROFILE__INIT;

	function.id = i + 1;
	function.name = w->dictionary->functions[i].name;
	function.filename = w->dictionary->functions[i].file;
	part.function = &functions;
	part.n_function = 1;
	return put(w, &part);
}

/* ---- samples ---- */

struct label_rows {
	Pprof__Label rows[LABEL_CNT], *list[LABEL_CNT];
	size_t cnt;
};

static int label_text(struct pprof_writer *w, const char *text, u32 *ret)
{
	STRBUF(visible);

	visible_put(&visible, text);
	strbuf_cut(&visible, w->limits.label_size);
	return visible.failed ? -ENOMEM : string_table_intern(w->dictionary->strings, visible.at, ret);
}

static int labels_of(struct pprof_writer *w, u32 origin, struct label_rows *ret)
{
	const struct dictionary *d = w->dictionary;
	struct label_value values[LABEL_CNT];

	ret->cnt = origin_labels(profile_tables_of(d->profile), &d->origins[origin], &d->view, values);
	for (size_t i = 0; i < ret->cnt; i++) {
		u32 key, text = STRING_EMPTY;
		int err = dictionary_string(w->dictionary, label_name(values[i].label), &key);

		if (!err && values[i].text)
			err = label_text(w, values[i].text, &text);
		if (err)
			return err;
		ret->list[i] = &ret->rows[i];
		ret->rows[i] = (Pprof__Label)PPROF__LABEL__INIT;
		ret->rows[i].key = key;
		ret->rows[i].str = text;
		ret->rows[i].num = values[i].number;
	}
	return 0;
}

static bool is_too_deep(const struct pprof_writer *w, u32 stack)
{
	u32 left = w->limits.depth;

	for (; left && stack != STACK_ROOT; left--)
		stack = stack_table_parent(w->dictionary->stacks, stack);
	return stack != STACK_ROOT;
}

/* Before places are written. */
static int cut_place_make(struct pprof_writer *w)
{
	const struct dictionary *d = w->dictionary;

	for (u32 i = 0; i < d->sample_cnt; i++)
		if (is_too_deep(w, d->samples[i].stack))
			return dictionary_loss(w->dictionary, LOSS_EXPORT_DEPTH, &w->cut_place);
	return 0;
}

static void stack_cut(struct pprof_writer *w, u64 samples)
{
	if (w->places.cnt <= w->limits.depth)
		return;
	w->places.cnt = w->limits.depth;
	w->places.at[w->places.cnt - 1] = w->cut_place;
	w->truth.incomplete[LOSS_EXPORT_DEPTH] += samples;
}

static int locations_of(struct pprof_writer *w, const struct dictionary_sample *sample)
{
	int err = dictionary_stack(w->dictionary, sample->stack, &w->places);

	if (!err)
		stack_cut(w, sample->samples);
	for (u32 i = 0; !err && i < w->places.cnt; i++) {
		u64 *ids = array_room(w->location_ids, &w->location_capacity, i, sizeof(*ids));
		if (!ids)
			return -ENOMEM;
		w->location_ids = ids;
		ids[i] = w->places.at[i] + 1;
	}
	return err;
}

static int put_sample(struct pprof_writer *w, const struct dictionary_sample *from, struct label_rows *labels)
{
	int64_t values[] = {from->samples, from->samples * w->period_ns};
	Pprof__Sample sample = PPROF__SAMPLE__INIT, *samples = &sample;
	Pprof__Profile part = PPROF__PROFILE__INIT;

	int err = locations_of(w, from);
	if (err)
		return err;
	sample.location_id = (uint64_t *)w->location_ids;
	sample.n_location_id = w->places.cnt;
	sample.value = values;
	sample.n_value = w->period_ns ? 2 : 1;
	sample.label = labels->list;
	sample.n_label = labels->cnt;
	part.sample = &samples;
	part.n_sample = 1;
	return put(w, &part);
}

static int put_samples(struct pprof_writer *w)
{
	const struct dictionary *d = w->dictionary;
	u32 origin = 0xffffffff;
	struct label_rows labels;
	int err = 0;

	for (u32 i = 0; !err && i < d->sample_cnt; i++) {
		if (d->samples[i].origin != origin) {
			origin = d->samples[i].origin;
			err = labels_of(w, origin, &labels);
		}
		if (!err)
			err = put_sample(w, &d->samples[i], &labels);
	}
	return err;
}

/* ---- the rest ---- */

static int put_comment(void *ctx, const char *text)
{
	struct pprof_writer *w = ctx;
	Pprof__Profile part = PPROF__PROFILE__INIT;
	int64_t comment;
	u32 id;

	int err = dictionary_string(w->dictionary, text, &id);
	if (err)
		return err;
	comment = id;
	part.comment = &comment;
	part.n_comment = 1;
	return put(w, &part);
}

/* Last, when all strings are known. */
static int put_strings(struct pprof_writer *w)
{
	int err = 0;

	for (u32 i = 0; !err && i < string_table_cnt(w->dictionary->strings); i++) {
		char *text = (char *)dictionary_text(w->dictionary, i);
		Pprof__Profile part = PPROF__PROFILE__INIT;

		part.string_table = &text;
		part.n_string_table = 1;
		err = put(w, &part);
	}
	return err;
}

static int pprof_put(struct pprof_writer *w)
{
	int err = put_head(w);

	if (!err)
		err = cut_place_make(w);
	if (!err)
		err = put_mappings(w);
	for (u32 i = 0; !err && i < w->dictionary->function_cnt; i++)
		err = put_function(w, i);
	for (u32 i = 0; !err && i < w->dictionary->place_cnt; i++)
		err = put_location(w, i);
	if (!err)
		err = put_samples(w);
	if (!err)
		err = pprof_comments_put(&w->truth, profile_common(w->dictionary->profile), put_comment, w);
	if (!err)
		err = put_strings(w);
	if (!err)
		err = flush(w, 0);
	return err ? err : gzip_writer_finish(w->gzip);
}

static int write_within(const struct profile *profile, const struct truth *truth, const struct view *view,
			const struct pprof_limits *limits, enum gzip_effort effort, FILE *out)
{
	_cleanup_(dictionary) struct dictionary *dictionary = NULL;
	_cleanup_(gzip_writer) struct gzip_writer *gzip = NULL;

	int err = dictionary_new(profile, view, true, &dictionary);
	if (!err)
		err = gzip_writer_new(out, effort, &gzip);
	if (err)
		return err;

	struct pprof_writer writer = {
		.base = {.append = append},
		.dictionary = dictionary,
		.truth = *truth,
		.limits = *limits,
		.gzip = gzip,
		.out = {.at = (char *)""},
		.period_ns = truth->hz ? (NS_PER_S + truth->hz / 2) / truth->hz : 0,
	};
	err = pprof_put(&writer);
	strbuf_deinit(&writer.out);
	free(writer.places.at);
	free(writer.location_ids);
	return err ? err : output_flush(out);
}

int pprof_write(const struct profile *profile, const struct truth *truth, const struct view *view, FILE *out)
{
	static const struct pprof_limits none = {.label_size = SIZE_MAX, .depth = UINT32_MAX};

	return write_within(profile, truth, view, &none, GZIP_SMALL, out);
}

int pprof_write_for_engine(const struct profile *profile, const struct truth *truth, const struct view *view,
			   const struct pprof_limits *limits, FILE *out)
{
	return write_within(profile, truth, view, limits, GZIP_FAST, out);
}
