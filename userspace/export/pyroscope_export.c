/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/pyroscope_export.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "export/profile_cut.h"
#include "export/series_labels.h"
#include "export/size_guess.h"
#include "format/format.h"
#include "format/gzip.h"
#include "format/profile_id.h"
#include "profile/common_labels.h"
#include "profile/partition.h"
#include "proto/pyroscope.pb-c.h"

#define NAMES_MAX	 30 /* of a series, with those of samples */
#define SAMPLE_TEXTS	 5 /* comm, exe, thread_name, command_line and environment */
#define OWN_NAMES	 2 /* __name__ and service_name */
#define MESSAGE_SIZE_MAX (64u << 20) /* of a request that came back from the spool; ours are smaller by far */

const struct pyroscope_limits pyroscope_limits = {
	.request_size = 1u << 20,
	.samples = 16000,
	.labels = NAMES_MAX - SAMPLE_TEXTS,
	.label_size = 2048,
	.depth = 1000,
};

_Static_assert(OWN_NAMES + LABEL_PLACE_CNT + COMMON_LABELS_MAX + SAMPLE_TEXTS <= NAMES_MAX,
	       "of a place that says all there is to say, the host's name and boot would fall off");

/* One series with one profile. protobuf-c's structs point to what is beside them. */
struct series {
	struct series_labels labels;
	char *profile; /* gzipped */
	size_t profile_size, size; /* the latter unpacked, with labels */
	struct strbuf id;
};

struct request {
	const struct window *window;
	const struct pyroscope_limits *limits;
	int (*put)(void *ctx, const void *body, size_t size);
	void *ctx;

	struct series **series;
	u32 cnt, capacity;
	size_t size; /* of all series, unpacked */
	u32 piece; /* of the place */
	struct size_guess guess;
};

static void series_free(struct series *series)
{
	series_labels_deinit(&series->labels);
	strbuf_deinit(&series->id);
	free(series->profile);
	free(series);
}
DEFINE_CLEANUP(series, struct series *, series_free)

/* ---- the message ---- */

/* What protobuf-c wants of one series. */
struct series_message {
	Pyroscope__RawProfileSeries series;
	Pyroscope__RawSample sample, *samples[1];
	Pyroscope__LabelPair pairs[SERIES_LABELS_MAX], *labels[SERIES_LABELS_MAX];
};

static void series_message_fill(const struct series *from, struct series_message *ret)
{
	ret->series = (Pyroscope__RawProfileSeries)PYROSCOPE__RAW_PROFILE_SERIES__INIT;
	ret->sample = (Pyroscope__RawSample)PYROSCOPE__RAW_SAMPLE__INIT;
	ret->sample.raw_profile = (ProtobufCBinaryData){from->profile_size, (u8 *)from->profile};
	ret->sample.id = from->id.at;
	ret->samples[0] = &ret->sample;
	ret->series.samples = ret->samples;
	ret->series.n_samples = 1;
	for (size_t i = 0; i < from->labels.cnt; i++) {
		ret->pairs[i] = (Pyroscope__LabelPair)PYROSCOPE__LABEL_PAIR__INIT;
		ret->pairs[i].name = from->labels.at[i].name;
		ret->pairs[i].value = from->labels.at[i].value;
		ret->labels[i] = &ret->pairs[i];
	}
	ret->series.labels = ret->labels;
	ret->series.n_labels = from->labels.cnt;
}

static int message_pack(const Pyroscope__PushRequest *message, void **ret, size_t *ret_size)
{
	_cleanup_(free) u8 *bytes = malloc(pyroscope__push_request__get_packed_size(message));

	if (!bytes)
		return -ENOMEM;
	return gzip_pack(bytes, pyroscope__push_request__pack(message, bytes), GZIP_STORED, ret, ret_size);
}

static int request_pack(const struct request *request, void **ret, size_t *ret_size)
{
	Pyroscope__PushRequest message = PYROSCOPE__PUSH_REQUEST__INIT;
	_cleanup_(free) struct series_message *rows = calloc(request->cnt, sizeof(*rows));
	_cleanup_(free) Pyroscope__RawProfileSeries **list = calloc(request->cnt, sizeof(*list));

	if (!rows || !list)
		return -ENOMEM;
	for (u32 i = 0; i < request->cnt; i++) {
		series_message_fill(request->series[i], &rows[i]);
		list[i] = &rows[i].series;
	}
	message.series = list;
	message.n_series = request->cnt;
	return message_pack(&message, ret, ret_size);
}

static void request_clear(struct request *request)
{
	while (request->cnt)
		series_free(request->series[--request->cnt]);
	request->size = 0;
}

static int request_send(struct request *request)
{
	_cleanup_(free) void *body = NULL;
	size_t size;

	if (!request->cnt)
		return 0;
	int err = request_pack(request, &body, &size);
	request_clear(request);
	return err ? err : request->put(request->ctx, body, size);
}

/* ---- one series ---- */

/* The last four bytes of a gzip file: what it holds, unpacked (RFC 1952). */
static size_t unpacked_size(const char *packed, size_t size)
{
	u32 unpacked;

	memcpy(&unpacked, packed + size - sizeof(unpacked), sizeof(unpacked));
	return le32toh(unpacked);
}

/* Without what the series' labels say already. */
static int without_place(const struct profile *piece, struct profile *to)
{
	int err = 0;

	for (size_t i = 0; !err && i < profile_cnt(piece); i++) {
		const struct profile_entry *entry = profile_at(piece, i);
		struct origin origin = *profile_origin_at(piece, entry->origin);
		u32 id;

		origin.labels = LABEL_SET_EMPTY;
		err = profile_origin(to, &origin, &id);
		if (!err)
			err = profile_add(to, id, entry->stack, entry->samples);
	}
	return err;
}

/*
 * Two profiles of one series and one time are one to Pyroscope: the pieces of a place
 * begin a millisecond apart.
 */
static void truth_of_piece(const struct request *request, const struct profile *piece, struct truth *ret)
{
	truth_of_part(request->window->truth, piece, ret);
	ret->start_realtime_ns += request->piece * NS_PER_MS;
}

static int series_write(const struct request *request, const struct profile *piece, struct series *series)
{
	const struct pprof_limits of_pprof = {request->limits->label_size, request->limits->depth};
	_cleanup_(profile) struct profile *bare = NULL;
	struct truth truth;

	int err = profile_new(profile_tables_of(piece), &bare);
	if (!err)
		err = without_place(piece, bare);
	if (err)
		return err;
	truth_of_piece(request, piece, &truth);
	FILE *out = open_memstream(&series->profile, &series->profile_size);
	if (!out)
		return -ENOMEM;
	err = pprof_write_for_engine(bare, &truth, request->window->view, &of_pprof, out);
	return fclose(out) && !err ? -ENOMEM : err;
}

static int series_new(const struct request *request, const struct profile *piece, struct series **ret)
{
	_cleanup_(series) struct series *series = calloc(1, sizeof(*series));
	u32 labels = profile_origin_at(piece, profile_at(piece, 0)->origin)->labels;
	struct profile_id id;

	if (!series)
		return -ENOMEM;
	series->id.at = (char *)"";
	series->labels.cnt_max = request->limits->labels;
	series->labels.value_max = request->limits->label_size;
	int err = series_labels_of(&series->labels, piece);
	if (!err)
		err = series_write(request, piece, series);
	if (!err)
		err = profile_id_make(request->window->id, profile_tables_of(piece), labels, request->piece, &id);
	if (err)
		return err;
	profile_id_put(&id, &series->id);
	if (series->id.failed)
		return -ENOMEM;
	series->size = series_labels_size(&series->labels) + unpacked_size(series->profile, series->profile_size);
	*ret = take(series);
	return 0;
}

/* ---- all of them ---- */

static int piece_put(void *ctx, const struct profile *piece, bool is_last)
{
	struct request *request = ctx;
	const struct pyroscope_limits *limits = request->limits;
	_cleanup_(series) struct series *series = NULL;

	if (profile_cnt(piece) > limits->samples)
		return -EFBIG;
	int err = series_new(request, piece, &series);
	if (err)
		return err;
	if (series->size > limits->request_size && !is_last)
		return -EFBIG;
	if (request->size + series->size > limits->request_size)
		err = request_send(request);
	if (err)
		return err;
	struct series **list = array_room(request->series, &request->capacity, request->cnt, sizeof(struct series *));
	if (!list)
		return -ENOMEM;
	request->series = list;
	request->size += series->size;
	request->piece++;
	list[request->cnt++] = take(series);
	return 0;
}

/* Where a piece that begins at first may end: one entry at least. */
static size_t piece_end(struct request *request, const struct profile *place, size_t first)
{
	const struct pyroscope_limits *limits = request->limits;
	size_t i = first;

	size_guess_begin(&request->guess);
	for (; i < profile_cnt(place) && i - first < limits->samples; i++) {
		size_guess_add(&request->guess, profile_at(place, i)->stack);
		if (request->guess.size > limits->request_size / 16 * 15 && i > first)
			break;
	}
	return i;
}

/* As it is most often; where the guess was too small it is halved. */
static int piece_give(struct request *request, const struct profile *piece)
{
	int err = piece_put(request, piece, profile_cnt(piece) <= 1);

	return err == -EFBIG ? profile_cut(piece, piece_put, request) : err;
}

static int part_of_place(struct request *request, const struct profile *place, size_t first, size_t end)
{
	_cleanup_(profile) struct profile *piece = NULL;
	int err = profile_new(profile_tables_of(place), &piece);

	if (!err)
		err = profile_copy_entries(place, first, end, piece);
	return err ? err : piece_give(request, piece);
}

static int place_put(void *ctx, u32 labels, const struct profile *place)
{
	struct request *request = ctx;
	size_t cnt = profile_cnt(place);
	int err = 0;

	request->piece = 0;
	for (size_t first = 0, end; !err && first < cnt; first = end) {
		end = piece_end(request, place, first);
		err = !first && end == cnt ? piece_give(request, place) : part_of_place(request, place, first, end);
	}
	return err;
}

int pyroscope_encode(const struct window *window, const struct pyroscope_limits *limits,
		     int (*put)(void *ctx, const void *body, size_t size), void *ctx)
{
	struct request request = {.window = window, .limits = limits, .put = put, .ctx = ctx};

	int err = size_guess_init(&request.guess, profile_tables_of(window->profile));
	if (!err)
		err = profile_for_each_place(window->profile, place_put, &request);
	if (!err)
		err = request_send(&request);
	size_guess_deinit(&request.guess);
	request_clear(&request);
	free(request.series);
	return err;
}

static int encode(const struct window *window, int (*put)(void *ctx, const void *body, size_t size), void *ctx)
{
	return pyroscope_encode(window, &pyroscope_limits, put, ctx);
}

/* ---- one request in pieces ---- */

static void message_free(Pyroscope__PushRequest *message)
{
	pyroscope__push_request__free_unpacked(message, NULL);
}
DEFINE_CLEANUP(message, Pyroscope__PushRequest *, message_free)

static int split(const void *body, size_t size, int (*put)(void *ctx, const void *body, size_t size), void *ctx)
{
	_cleanup_(free) void *bytes = NULL;
	size_t bytes_size;

	int err = gzip_unpack(body, size, MESSAGE_SIZE_MAX, &bytes, &bytes_size);
	if (err)
		return err == -ENOMEM ? err : -EBADMSG;
	_cleanup_(message) Pyroscope__PushRequest *whole = pyroscope__push_request__unpack(NULL, bytes_size, bytes);
	if (!whole)
		return -EBADMSG;
	for (size_t i = 0; !err && whole->n_series > 1 && i < whole->n_series; i++) {
		Pyroscope__PushRequest message = PYROSCOPE__PUSH_REQUEST__INIT;
		_cleanup_(free) void *piece = NULL;

		message.series = &whole->series[i];
		message.n_series = 1;
		err = message_pack(&message, &piece, &size);
		if (!err)
			err = put(ctx, piece, size);
	}
	return err;
}

const struct destination_kind pyroscope_kind = {
	.name = "pyroscope",
	.summary = "Pyroscope's push API (push.v1), with pprof inside",
	.path = "/push.v1.PusherService/Push",
	.content_type = "application/proto",
	.encode = encode,
	.split = split,
};
