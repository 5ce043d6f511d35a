/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Field numbers are those of grafana/pyroscope's push.v1 and types.v1, typed from their text. */
#include "export/pyroscope_export.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "decode_pprof.h"
#include "format/format.h"
#include "format/gzip.h"
#include "folded_lines.h"
#include "full_place.h"
#include "profile/common_labels.h"
#include "sent_bodies.h"

static const char three_places[] = "{web=0123};python3 (10);@main (10);f (a.py:3) 4\n"
				   "{db=4567};postgres (20);@main (20);g (postgres) 5\n"
				   "sshd (30);@sshd (30);h (sshd) 6\n";

#define PUSHED_MAX 64

struct pushed {
	char *labels; /* "name=value\n" each, as they come */
	char *id;
	struct decoded_pprof *profile; /* decode_pprof.c checks the format's rules */
	size_t unpacked_size; /* of the profile */
};

struct push {
	struct pushed at[PUSHED_MAX];
	size_t cnt;
};

static void read_label(struct wire wire, struct strbuf *b)
{
	struct wire_field name, value;

	cr_assert(wire_next(&wire, &name) && name.number == 1 && wire_next(&wire, &value) && value.number == 2);
	char *name_text = wire_text(&name), *value_text = wire_text(&value);
	strbuf_printf(b, "%s=%s\n", name_text, value_text);
	free(name_text);
	free(value_text);
}

static void read_sample(struct wire wire, struct pushed *ret)
{
	struct wire_field raw, id;

	cr_assert(wire_next(&wire, &raw) && raw.number == 1 && wire_next(&wire, &id) && id.number == 2);
	free(gunzip(raw.piece.at, wire_size(&raw.piece), &ret->unpacked_size));
	ret->profile = pprof_decode(raw.piece.at, wire_size(&raw.piece));
	ret->id = wire_text(&id);
}

static void read_series(struct wire wire, struct push *push)
{
	struct wire_field field;
	STRBUF(labels);

	cr_assert_lt(push->cnt, PUSHED_MAX);
	struct pushed *at = &push->at[push->cnt++];
	while (wire_next(&wire, &field)) {
		cr_assert(field.number == 1 || field.number == 2);
		if (field.number == 1)
			read_label(field.piece, &labels);
		else
			read_sample(field.piece, at);
	}
	cr_assert(at->profile);
	at->labels = strbuf_take(&labels);
}

static void read_bodies(const struct sent_bodies *bodies, struct push *ret)
{
	struct wire_field field;

	for (size_t i = 0; i < bodies->cnt; i++) {
		struct wire wire = wire_of(bodies->at[i].unpacked, bodies->at[i].unpacked_size);

		while (wire_next(&wire, &field)) {
			cr_assert_eq(field.number, 1);
			read_series(field.piece, ret);
		}
	}
}

static void push_deinit(struct push *push)
{
	for (size_t i = 0; i < push->cnt; i++) {
		free(push->at[i].labels);
		free(push->at[i].id);
		decoded_free(push->at[i].profile);
	}
}

#define PUSH(name) __attribute__((cleanup(push_deinit))) struct push name = {.cnt = 0}

static void push_window(const struct window *window, const struct pyroscope_limits *limits, struct push *ret)
{
	SENT_BODIES(bodies);

	cr_assert_eq(pyroscope_encode(window, limits, sent_put, &bodies), 0);
	read_bodies(&bodies, ret);
}

static bool has_label(const struct decoded_pprof *profile, const char *name)
{
	for (size_t i = 0; i < profile->sample_cnt; i++)
		for (size_t k = 0; k < profile->samples[i]->label_cnt; k++)
			if (!strcmp(profile->strings[profile->samples[i]->labels[k].key], name))
				return true;
	return false;
}

Test(pyroscope_export, each_place_is_a_series_in_one_request)
{
	BUILT_PROFILE(built, three_places);
	struct window window = window_of(&built);
	SENT_BODIES(bodies);
	PUSH(push);

	cr_assert_eq(pyroscope_kind.encode(&window, sent_put, &bodies), 0);
	cr_assert_eq(bodies.cnt, 1);
	read_bodies(&bodies, &push);
	cr_assert_eq(push.cnt, 3);
	cr_assert_str_eq(push.at[0].labels, "__name__=process_cpu\nservice_name=host\n");
	cr_assert_str_eq(push.at[1].labels,
			 "__name__=process_cpu\ncontainer_id=0123\ncontainer_name=web\nservice_name=web\n");
	cr_assert_str_eq(push.at[2].labels,
			 "__name__=process_cpu\ncontainer_id=4567\ncontainer_name=db\nservice_name=db\n");
}

Test(pyroscope_export, a_refused_request_is_split_into_one_for_each_series_as_it_was)
{
	BUILT_PROFILE(built, three_places);
	struct window window = window_of(&built);
	SENT_BODIES(bodies);
	SENT_BODIES(pieces);
	SENT_BODIES(pieces_of_piece);
	PUSH(push);
	PUSH(split);

	cr_assert_eq(pyroscope_kind.encode(&window, sent_put, &bodies), 0);
	cr_assert_eq(pyroscope_kind.split(bodies.at[0].bytes, bodies.at[0].size, sent_put, &pieces), 0);
	cr_assert_eq(pieces.cnt, 3);
	read_bodies(&bodies, &push);
	read_bodies(&pieces, &split);
	cr_assert_eq(split.cnt, 3);
	size_t size = 0;
	for (size_t i = 0; i < 3; i++) {
		cr_expect_str_eq(split.at[i].labels, push.at[i].labels);
		cr_expect_str_eq(split.at[i].id, push.at[i].id);
		size += pieces.at[i].unpacked_size;
	}
	cr_expect_eq(size, bodies.at[0].unpacked_size, "a series is one field of the request, so these are its bytes");
	cr_assert_eq(pyroscope_kind.split(pieces.at[1].bytes, pieces.at[1].size, sent_put, &pieces_of_piece), 0);
	cr_expect_eq(pieces_of_piece.cnt, 0);
}

Test(pyroscope_export, what_is_no_request_is_not_split)
{
	SENT_BODIES(pieces);
	_cleanup_(free) void *packed = NULL;
	size_t size;

	cr_expect_eq(pyroscope_kind.split("no gzip", 7, sent_put, &pieces), -EBADMSG);
	cr_assert_eq(gzip_pack("\x0a\x7f", 2, GZIP_FAST, &packed, &size), 0);
	cr_expect_eq(pyroscope_kind.split(packed, size, sent_put, &pieces), -EBADMSG);
	cr_expect_eq(pieces.cnt, 0);
}

Test(pyroscope_export, its_profile_is_that_of_the_place_alone)
{
	BUILT_PROFILE(built, three_places);
	struct window window = window_of(&built);
	PUSH(push);

	push_window(&window, &pyroscope_limits, &push);
	const struct decoded_pprof *web = push.at[1].profile;
	char *folded = decoded_folded(web);
	cr_assert_str_eq(folded, "python3 (10);main (10);f (a.py:3) 4\n");
	free(folded);
	cr_assert_eq(web->time_ns, 1795306044000000000);
	cr_assert_eq(web->duration_ns, 10000000000);
	cr_assert_eq(web->period, 52631579);
	cr_assert(has_label(web, "comm") && has_label(web, "pid") && has_label(web, "thread_name"));
	cr_assert_not(has_label(web, "container_name"), "the series says it");
}

Test(pyroscope_export, ids_are_uuids_each_its_own_and_the_same_again)
{
	BUILT_PROFILE(built, three_places);
	struct window window = window_of(&built), other = window;
	PUSH(first);
	PUSH(again);
	PUSH(third);

	other.id[0]++;
	push_window(&window, &pyroscope_limits, &first);
	push_window(&window, &pyroscope_limits, &again);
	push_window(&other, &pyroscope_limits, &third);
	for (size_t i = 0; i < first.cnt; i++) {
		const char *id = first.at[i].id;

		cr_assert_eq(strlen(id), 36);
		cr_assert(id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-');
		cr_assert(id[14] == '8' && strchr("89ab", id[19]), "version 8 of RFC 9562");
		cr_assert_eq(strspn(id, "0123456789abcdef-"), 36);
		cr_assert_str_eq(id, again.at[i].id);
		cr_assert_str_neq(id, third.at[i].id);
		for (size_t k = 0; k < i; k++)
			cr_assert_str_neq(id, first.at[k].id);
	}
}

Test(pyroscope_export, labels_of_the_whole_have_names_as_prometheus_takes_them)
{
	BUILT_PROFILE(built, "{web};a (1);f (x.py:1) 1\n");
	struct window window = window_of(&built);
	struct common_labels common = {0};
	PUSH(push);
	STRBUF(error);

	cr_assert_eq(common_labels_add(&common, "team.name=a b", &error), 0);
	cr_assert_eq(common_labels_add(&common, "service.name=shop", &error), 0);
	cr_assert_eq(common_labels_add(&common, "host=h1", &error), 0);
	profile_set_common(built.profile, &common);
	push_window(&window, &pyroscope_limits, &push);
	cr_assert_str_eq(push.at[0].labels,
			 "__name__=process_cpu\ncontainer_name=web\nhost=h1\nservice_name=shop\nteam_name=a b\n");
	common_labels_deinit(&common);
}

Test(pyroscope_export, a_place_of_many_stacks_is_cut_and_its_pieces_differ_in_time_and_id)
{
	static const struct pyroscope_limits limits = {
		.request_size = 1u << 20, .samples = 40, .labels = 25, .label_size = 100, .depth = 1000};
	STRBUF(folded);
	u64 sum = 0;

	for (int i = 0; i < 100; i++)
		strbuf_printf(&folded, "{big};python3 (10);@main (10);function_%d (a.py:1) %d\n", i, i + 1);
	BUILT_PROFILE(built, folded.at);
	struct window window = window_of(&built);
	PUSH(push);

	push_window(&window, &limits, &push);
	cr_assert_geq(push.cnt, 3);
	for (size_t i = 0; i < push.cnt; i++) {
		const struct decoded_pprof *profile = push.at[i].profile;

		cr_assert_leq(profile->sample_cnt, 40);
		cr_assert_eq(profile->time_ns, 1795306044000000000 + i * 1000000);
		cr_assert_str_eq(push.at[i].labels, push.at[0].labels);
		for (size_t k = 0; k < i; k++)
			cr_assert_str_neq(push.at[i].id, push.at[k].id);
		for (size_t k = 0; k < profile->sample_cnt; k++)
			sum += profile->samples[k]->values[0];
	}
	cr_assert_eq(sum, 5050);
}

Test(pyroscope_export, no_request_is_larger_than_the_rate_limit_lets_through)
{
	static const struct pyroscope_limits limits = {
		.request_size = 1500, .samples = 16000, .labels = 25, .label_size = 100, .depth = 1000};
	STRBUF(folded);
	size_t cnt = 0;
	u64 sum = 0;

	for (int i = 0; i < 100; i++)
		strbuf_printf(&folded, "{c%d};python3 (10);@main (10);function_%d (a.py:1) 1\n", i / 10, i);
	BUILT_PROFILE(built, folded.at);
	struct window window = window_of(&built);
	SENT_BODIES(bodies);

	cr_assert_eq(pyroscope_encode(&window, &limits, sent_put, &bodies), 0);
	cr_assert_gt(bodies.cnt, 1);
	for (size_t i = 0; i < bodies.cnt; i++) {
		struct sent_bodies one = {.cnt = 1, .at = {bodies.at[i]}};
		size_t size = 0;
		PUSH(push);

		read_bodies(&one, &push);
		for (size_t k = 0; k < push.cnt; k++) {
			size += push.at[k].unpacked_size + strlen(push.at[k].labels);
			for (size_t s = 0; s < push.at[k].profile->sample_cnt; s++)
				sum += push.at[k].profile->samples[s]->values[0];
		}
		cnt += push.cnt;
		/* "=" and the newline of each label count here, not there. */
		cr_assert_leq(size, limits.request_size + 8 * push.cnt);
	}
	cr_assert_geq(cnt, 10);
	cr_assert_eq(sum, 100);
}

Test(pyroscope_export, no_value_is_longer_than_the_server_takes_and_none_is_broken)
{
	static const struct pyroscope_limits limits = {
		.request_size = 1u << 20, .samples = 16000, .labels = 25, .label_size = 5, .depth = 1000};
	BUILT_PROFILE(built, "{abcd\xc3\xa9};a (1);f (x.py:1) 1\n{w\xff\xe2\x80\xae};a (1);f (x.py:1) 1\n");
	struct window window = window_of(&built);
	PUSH(push);

	push_window(&window, &limits, &push); /* checks that all is UTF-8 */
	cr_assert(strstr(push.at[0].labels, "service_name=abcd\n"));
	cr_assert(strstr(push.at[1].labels, "service_name=w\xef\xbf\xbd\\\n"));
}

/* The longest text label, by its size; and how many different ones there are. */
static size_t longest_label(const struct decoded_pprof *profile, size_t *ret_cnt)
{
	size_t longest = 0;
	u64 last = 0;

	*ret_cnt = 0;
	for (size_t i = 0; i < profile->sample_cnt; i++) {
		for (size_t k = 0; k < profile->samples[i]->label_cnt; k++) {
			u64 text = profile->samples[i]->labels[k].str;
			size_t size = strlen(profile->strings[text]);

			if (size > 1000 && text != last) {
				++*ret_cnt;
				last = text;
			}
			longest = size > longest ? size : longest;
		}
	}
	return longest;
}

/* Two processes whose programs' paths have 3001 bytes and differ in the last. */
static void build_long_names(struct built_profile *built)
{
	const struct profile_entry *entry = profile_at(built->profile, 0);
	struct origin origin = *profile_origin_at(built->profile, entry->origin);
	u32 stack = entry->stack, id;
	char path[3002] = {0};

	for (int i = 0; i < 1000; i++)
		memcpy(path + 3 * i, "\xef\xbf\xbd", 3);
	profile_clear(built->profile);
	for (int i = 0; i < 2; i++) {
		path[3000] = 'a' + i;
		cr_assert_eq(string_table_intern(built->tables.strings, path, &origin.exe), 0);
		cr_assert_eq(profile_origin(built->profile, &origin, &id), 0);
		cr_assert_eq(profile_add(built->profile, id, stack, i + 1), 0);
	}
}

/* max_label_value_length: Pyroscope makes labels of series of what samples say, and refuses all that was sent with it. */
Test(pyroscope_export, texts_of_samples_are_cut_too_at_the_end_of_a_character)
{
	BUILT_PROFILE(built, "a (1);f (x.py:1) 3\n");
	PUSH(push);
	size_t cnt;

	build_long_names(&built);
	struct window window = window_of(&built);
	push_window(&window, &pyroscope_limits, &push); /* checks that all is UTF-8 */
	cr_assert_eq(push.cnt, 1);
	cr_expect_eq(longest_label(push.at[0].profile, &cnt), 2046);
	cr_expect_eq(cnt, 1);
	char *folded = decoded_folded(push.at[0].profile);
	cr_expect_str_eq(folded, "a (1);f (x.py:1) 3\n", "%s", folded);
	free(folded);
}

Test(pyroscope_export, texts_in_a_file_are_not_cut)
{
	BUILT_PROFILE(built, "a (1);f (x.py:1) 3\n");
	char *bytes;
	size_t size, cnt;
	FILE *out = open_memstream(&bytes, &size);

	build_long_names(&built);
	struct window window = window_of(&built);
	cr_assert_eq(pprof_write(built.profile, window.truth, window.view, out), 0);
	fclose(out);
	struct decoded_pprof *profile = pprof_decode(bytes, size);
	cr_expect_eq(longest_label(profile, &cnt), 3001);
	cr_expect_eq(cnt, 2);
	decoded_free(profile);
	free(bytes);
}

/* max_label_names_per_series: 30, with what samples say. */
Test(pyroscope_export, all_that_a_place_can_say_has_room_and_the_server_takes_it)
{
	BUILT_PROFILE(built, "a (1) 1\n");
	struct common_labels common = {0};
	PUSH(push);
	size_t names = 0, texts = 0;

	build_full_place(&built, &common);
	struct window window = window_of(&built);
	push_window(&window, &pyroscope_limits, &push);
	cr_assert_eq(push.cnt, 1);
	cr_expect(strstr(push.at[0].labels, "\nhost=h1\n"), "%s", push.at[0].labels);
	cr_expect(strstr(push.at[0].labels, "\nboot_id=b1\n"));
	for (const char *at = push.at[0].labels; (at = strchr(at, '\n')); at++)
		names++;
	cr_expect_eq(names, 2 + LABEL_PLACE_CNT + MAX_COMMON_LABELS + 2);
	const struct decoded_sample *sample = push.at[0].profile->samples[0];
	for (size_t i = 0; i < sample->label_cnt; i++)
		texts += sample->labels[i].str != 0;
	cr_expect_eq(texts, 5);
	cr_expect_leq(names + texts, 30);
	common_labels_deinit(&common);
}

/* frame_0 is the outermost. */
static void deep_put(struct strbuf *folded, const char *name, int depth)
{
	strbuf_put(folded, "a (1)");
	for (int i = 0; i < depth; i++)
		strbuf_printf(folded, ";%s_%d (x.py:1)", name, i);
	strbuf_put(folded, " 7\n");
}

static const char *function_at(const struct decoded_pprof *profile, const struct decoded_sample *sample, size_t i)
{
	for (size_t k = 0; k < profile->location_cnt; k++)
		if (profile->locations[k].id == sample->locations[i])
			for (size_t f = 0; f < profile->function_cnt; f++)
				if (profile->functions[f].id == profile->locations[k].function)
					return profile->strings[profile->functions[f].name];
	return NULL;
}

static bool has_comment(const struct decoded_pprof *profile, const char *text)
{
	for (size_t i = 0; i < profile->comment_cnt; i++)
		if (!strcmp(profile->strings[profile->comments[i]], text))
			return true;
	return false;
}

/* max_profile_stacktrace_depth: 1000; beyond it Pyroscope cuts off the leaf. */
Test(pyroscope_export, of_a_stack_deeper_than_the_server_keeps_the_inner_frames_are_sent)
{
	STRBUF(folded);
	PUSH(push);

	deep_put(&folded, "deep", 1001);
	deep_put(&folded, "just", 1000);
	BUILT_PROFILE(built, folded.at);
	struct window window = window_of(&built);
	push_window(&window, &pyroscope_limits, &push);
	const struct decoded_pprof *profile = push.at[0].profile;
	cr_assert_eq(profile->sample_cnt, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct decoded_sample *sample = profile->samples[i];
		bool is_deep = !strncmp(function_at(profile, sample, 0), "deep", 4);

		cr_expect_eq(sample->location_cnt, 1000);
		cr_expect_str_eq(function_at(profile, sample, 0), is_deep ? "deep_1000" : "just_999");
		cr_expect_str_eq(function_at(profile, sample, 998), is_deep ? "deep_2" : "just_1");
		cr_expect_str_eq(function_at(profile, sample, 999), is_deep ? "[truncated: export-depth]" : "just_0");
	}
	cr_expect(has_comment(profile, "incomplete export-depth 7"));
}

Test(pyroscope_export, a_stack_in_a_file_has_all_its_frames)
{
	STRBUF(folded);
	char *bytes;
	size_t size;
	FILE *out = open_memstream(&bytes, &size);

	deep_put(&folded, "deep", 1500);
	BUILT_PROFILE(built, folded.at);
	struct window window = window_of(&built);
	cr_assert_eq(pprof_write(built.profile, window.truth, window.view, out), 0);
	fclose(out);
	struct decoded_pprof *profile = pprof_decode(bytes, size);
	cr_expect_eq(profile->samples[0]->location_cnt, 1500);
	cr_expect_str_eq(function_at(profile, profile->samples[0], 1499), "deep_0");
	cr_expect_not(has_comment(profile, "incomplete export-depth 7"));
	decoded_free(profile);
	free(bytes);
}

Test(pyroscope_export, encoding_ends_where_a_body_is_not_taken)
{
	static const struct pyroscope_limits limits = {
		.request_size = 10, .samples = 9, .labels = 25, .label_size = 9, .depth = 1000};
	BUILT_PROFILE(built, three_places);
	struct window window = window_of(&built);
	SENT_BODIES(bodies);

	bodies.fail_at = 2;
	cr_assert_eq(pyroscope_encode(&window, &limits, sent_put, &bodies), -ENOSPC);
	cr_assert_eq(bodies.cnt, 1);
}

Test(pyroscope_export, a_window_without_samples_sends_nothing)
{
	BUILT_PROFILE(built, "");
	struct window window = window_of(&built);
	SENT_BODIES(bodies);

	cr_assert_eq(pyroscope_kind.encode(&window, sent_put, &bodies), 0);
	cr_assert_eq(bodies.cnt, 0);
}
