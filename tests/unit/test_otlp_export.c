/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whatever is decoded here, decode_otlp.c has checked the protocol's rules of it. */
#include "export/otlp_export.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "decode_otlp.h"
#include "format/format.h"
#include "folded_lines.h"
#include "full_place.h"
#include "profile/common_labels.h"
#include "sent_bodies.h"

static const char three_places[] = "{web=0123};python3 (10);@main (10);f (a.py:3) 4\n"
				   "{db=4567};postgres (20);@main (20);g (postgres) 5\n"
				   "sshd (30);@sshd (30);h (sshd) 6\n";

static char *text_at(const struct sent_bodies *bodies, size_t i)
{
	return otlp_text_of(bodies->at[i].unpacked, bodies->at[i].unpacked_size);
}

static size_t count(const char *text, const char *what)
{
	size_t cnt = 0;

	for (; (text = strstr(text, what)); text++)
		cnt++;
	return cnt;
}

/* All samples of all bodies, sorted. */
static char *folded_of(const struct sent_bodies *bodies)
{
	STRBUF(all);

	for (size_t i = 0; i < bodies->cnt; i++) {
		char *folded = otlp_folded_of(bodies->at[i].unpacked, bodies->at[i].unpacked_size);

		strbuf_put(&all, folded);
		free(folded);
	}
	return folded_lines_sort(all.at);
}

static char *folded_of_window(const struct window *window)
{
	char *folded, *sorted;
	size_t size;
	FILE *out = open_memstream(&folded, &size);

	cr_assert_eq(folded_write(window->profile, window->truth, window->view, out), 0);
	fclose(out);
	sorted = folded_lines_sort(folded);
	free(folded);
	return sorted;
}

Test(otlp_export, all_places_go_in_one_request_each_with_an_id_of_its_own)
{
	BUILT_PROFILE(built, three_places);
	struct window window = window_of(&built);
	SENT_BODIES(bodies);

	cr_assert_eq(otlp_kind.encode(&window, sent_put, &bodies), 0);
	cr_assert_eq(bodies.cnt, 1);
	_cleanup_(free) char *text = text_at(&bodies, 0);
	cr_assert_eq(count(text, "resource service.name="), 3);
	cr_assert_eq(count(text, "\nid "), 3);
	const char *first = strstr(text, "\nid ") + 1, *second = strstr(first, "\nid ") + 1,
		   *third = strstr(second, "\nid ") + 1;
	cr_assert(strncmp(first, second, 35) && strncmp(second, third, 35) && strncmp(first, third, 35));
	cr_assert(strstr(text, "time 1795306044000000000 duration 10000000000 period 52631579"));
}

Test(otlp_export, a_window_encoded_again_is_the_same_and_another_has_other_ids)
{
	BUILT_PROFILE(built, three_places);
	struct window window = window_of(&built), other = window;
	SENT_BODIES(bodies);

	other.id[15]++;
	cr_assert_eq(otlp_kind.encode(&window, sent_put, &bodies), 0);
	cr_assert_eq(otlp_kind.encode(&window, sent_put, &bodies), 0);
	cr_assert_eq(otlp_kind.encode(&other, sent_put, &bodies), 0);
	cr_assert(bodies.at[0].size == bodies.at[1].size &&
		  !memcmp(bodies.at[0].bytes, bodies.at[1].bytes, bodies.at[0].size));
	_cleanup_(free) char *text = text_at(&bodies, 0), *text_of_other = text_at(&bodies, 2);
	char id[36] = {0};
	memcpy(id, strstr(text, "\nid ") + 1, sizeof(id) - 1);
	cr_assert_null(strstr(text_of_other, id));
}

Test(otlp_export, a_file_has_no_ids_and_the_labels_of_the_whole)
{
	BUILT_PROFILE(built, three_places);
	struct window window = window_of(&built);
	struct common_labels common = {0};
	char *bytes;
	size_t size;
	STRBUF(error);

	cr_assert_eq(common_labels_add(&common, "region=eu-1", &error), 0);
	cr_assert_eq(common_labels_add(&common, "host=h1", &error), 0);
	profile_set_common(built.profile, &common);
	FILE *out = open_memstream(&bytes, &size);
	cr_assert_eq(otlp_write(window.profile, window.truth, window.view, out), 0);
	fclose(out);
	_cleanup_(free) char *text = otlp_text_of(bytes, size);

	cr_assert_eq(count(text, "\nid "), 0);
	cr_assert_eq(count(text, "resource region=eu-1\n"), 3);
	cr_assert_eq(count(text, "resource host.name=h1\n"), 3);
	free(bytes);
	common_labels_deinit(&common);
}

Test(otlp_export, a_person_may_name_the_service_and_no_key_is_there_twice)
{
	BUILT_PROFILE(built, three_places);
	struct window window = window_of(&built);
	struct common_labels common = {0};
	SENT_BODIES(bodies);
	STRBUF(error);

	cr_assert_eq(common_labels_add(&common, "service_name=shop", &error), 0);
	profile_set_common(built.profile, &common);
	cr_assert_eq(otlp_kind.encode(&window, sent_put, &bodies), 0);
	_cleanup_(free) char *text = text_at(&bodies, 0);
	cr_assert_eq(count(text, "resource service.name=shop\n"), 3);
	cr_assert_eq(count(text, "service"), 3);
	common_labels_deinit(&common);
}

/* 30 names in all are what backends take, with five of the receiver's own. */
Test(otlp_export, all_that_a_place_can_say_has_room_and_backends_take_it)
{
	BUILT_PROFILE(built, "a (1) 1\n");
	struct common_labels common = {0};
	SENT_BODIES(bodies);

	build_full_place(&built, &common);
	struct window window = window_of(&built);
	cr_assert_eq(otlp_kind.encode(&window, sent_put, &bodies), 0);
	_cleanup_(free) char *text = text_at(&bodies, 0);
	cr_expect(strstr(text, "resource host.name=h1\n"));
	cr_expect(strstr(text, "resource host.boot.id=b1\n"));
	cr_expect_eq(count(text, "resource label"), MAX_COMMON_LABELS);
	cr_expect_eq(count(text, "resource "), 1 + LABEL_PLACE_CNT + MAX_COMMON_LABELS + 2);
	cr_expect_leq(count(text, "resource "), 25);
	common_labels_deinit(&common);
}

Test(otlp_export, what_is_too_large_is_cut_by_places_and_then_by_stacks)
{
	STRBUF(folded);
	size_t places = 0;

	for (int i = 0; i < 300; i++)
		strbuf_printf(&folded, "{big};python3 (10);@main (10);function_%d (file_%d.py:1);leaf (b.py:2) %d\n", i,
			      i, i + 1);
	strbuf_put(&folded, three_places);
	BUILT_PROFILE(built, folded.at);
	struct window window = window_of(&built);
	SENT_BODIES(bodies);

	cr_assert_eq(otlp_encode(&window, 5000, sent_put, &bodies), 0);
	cr_assert_geq(bodies.cnt, 4);
	for (size_t i = 0; i < bodies.cnt; i++) {
		char *text = text_at(&bodies, i);

		cr_assert_leq(bodies.at[i].unpacked_size, 5000);
		places += count(text, "resource service.name=") - count(text, "resource service.name=big");
		free(text);
	}
	cr_assert_eq(places, 3, "small places stay whole");
	_cleanup_(free) char *first = text_at(&bodies, 0), *second = text_at(&bodies, 1);
	cr_assert_eq(count(first, "pyprof_bpf.samples="), 1, "%s", first);
	cr_assert_eq(count(second, "pyprof_bpf.samples="), 0, "who adds them up counts the window twice");
	_cleanup_(free) char *text = folded_of(&bodies), *expected = folded_of_window(&window);
	cr_assert_str_eq(text, expected);
}

Test(otlp_export, one_stack_that_is_too_large_is_sent_all_the_same)
{
	BUILT_PROFILE(built, "a (1);f (x.py:1) 3\n");
	struct window window = window_of(&built);
	SENT_BODIES(bodies);

	cr_assert_eq(otlp_encode(&window, 10, sent_put, &bodies), 0);
	cr_assert_eq(bodies.cnt, 1);
}

Test(otlp_export, a_window_without_samples_sends_nothing)
{
	BUILT_PROFILE(built, "");
	struct window window = window_of(&built);
	SENT_BODIES(bodies);

	cr_assert_eq(otlp_kind.encode(&window, sent_put, &bodies), 0);
	cr_assert_eq(bodies.cnt, 0);
}

Test(otlp_export, encoding_ends_where_a_body_is_not_taken)
{
	BUILT_PROFILE(built, three_places);
	struct window window = window_of(&built);
	SENT_BODIES(bodies);

	bodies.fail_at = 2;
	cr_assert_eq(otlp_encode(&window, 10, sent_put, &bodies), -ENOSPC);
	cr_assert_eq(bodies.cnt, 1);
}

/* Bytes by hand: field 1 of the response holds field 1, a number, and field 2, a text. */
Test(otlp_export, an_answer_may_say_that_profiles_were_refused)
{
	static const u8 partial[] = "\x0a\x0a\x08\x03\x12\x06no\xff"
				    "way";
	STRBUF(why);

	cr_assert_eq(otlp_kind.rejected(partial, sizeof(partial) - 1, &why), 3);
	cr_assert_str_eq(why.at, "no\xef\xbf\xbdway");
}

Test(otlp_export, other_answers_refuse_nothing)
{
	static const u8 warning[] = "\x0a\x04\x12\x02no",
			negative[] = "\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
	STRBUF(why);

	cr_assert_eq(otlp_kind.rejected("", 0, &why), 0);
	cr_assert_eq(otlp_kind.rejected(NULL, 0, &why), 0);
	cr_assert_eq(otlp_kind.rejected("\x0a\x00", 2, &why), 0);
	cr_assert_eq(otlp_kind.rejected("{\"partialSuccess\":{}}", 21, &why), 0);
	cr_assert_eq(otlp_kind.rejected(warning, sizeof(warning) - 1, &why), 0);
	cr_assert_eq(otlp_kind.rejected(negative, sizeof(negative) - 1, &why), 0);
	cr_assert_str_empty(why.at);
}
