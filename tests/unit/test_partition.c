/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/partition.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/strbuf.h"
#include "build_profile.h"

struct parts {
	struct strbuf b;
	int stop_after;
	const struct common_labels *common;
};

/* "ID NAME SAMPLES/ENTRIES" per part. */
static int put_part(void *ctx, u32 labels, const struct profile *part)
{
	struct parts *parts = ctx;
	const struct origin *origin = profile_origin_at(part, profile_at(part, 0)->origin);

	strbuf_printf(&parts->b, "%u %s %llu/%zu\n", labels, origin_place_name(profile_tables_of(part), origin),
		      profile_samples(part), profile_cnt(part));
	for (size_t i = 0; i < profile_cnt(part); i++)
		cr_expect_eq(profile_origin_at(part, profile_at(part, i)->origin)->labels, labels);
	parts->common = profile_common(part);
	return --parts->stop_after ? 0 : 77;
}

static void expect_parts(const struct profile *profile, const char *expected)
{
	struct parts parts = {.b = {.at = (char *)""}};

	cr_expect_eq(profile_for_each_place(profile, put_part, &parts), 0);
	cr_expect_str_eq(parts.b.at, expected);
	strbuf_deinit(&parts.b);
}

static const char places[] = "{web};a (1);f (a.py:1) 1\n"
			     "b (2);f (a.py:1) 2\n"
			     "{web=0123};a (1);f (a.py:1) 4\n"
			     "{web};a (1);g (a.py:1) 8\n"
			     "{cron.service};c (3);[unknown: code-gone] 16\n";

Test(partition, parts_are_places_in_the_order_of_their_ids_and_miss_nothing)
{
	BUILT_PROFILE(built, places);

	expect_parts(built.profile, "0 host 2/1\n1 web 9/2\n2 web 4/1\n3 cron.service 16/1\n");
}

Test(partition, of_nothing_has_no_parts)
{
	BUILT_PROFILE(built, "");

	expect_parts(built.profile, "");
}

/* Of a place that was forgotten and met again. */
Test(partition, sets_that_say_the_same_are_one_part_and_empty_ones_are_the_hosts)
{
	BUILT_PROFILE(built, "{web};a (1);f (a.py:1) 1\na (1);f (a.py:1) 2\n");
	struct origin web = *profile_origin_at(built.profile, 0), host = *profile_origin_at(built.profile, 1);
	u32 stack = profile_at(built.profile, 0)->stack, id;
	const struct label_set set = *label_table_at(built.tables.labels, web.labels);

	cr_assert_eq(label_table_reserve(built.tables.labels, &web.labels), 0);
	label_table_set(built.tables.labels, web.labels, &set);
	cr_assert_eq(label_table_reserve(built.tables.labels, &host.labels), 0);
	cr_assert_eq(profile_origin(built.profile, &web, &id), 0);
	cr_assert_eq(profile_add(built.profile, id, stack, 4), 0);
	cr_assert_eq(profile_origin(built.profile, &host, &id), 0);
	cr_assert_eq(profile_add(built.profile, id, stack, 8), 0);
	expect_parts(built.profile, "0 host 10/1\n1 web 5/1\n");
}

Test(partition, ends_when_it_is_told_so_and_gives_back_why)
{
	BUILT_PROFILE(built, places);
	struct parts parts = {.b = {.at = (char *)""}, .stop_after = 2};

	cr_expect_eq(profile_for_each_place(built.profile, put_part, &parts), 77);
	cr_expect_str_eq(parts.b.at, "0 host 2/1\n1 web 9/2\n");
	strbuf_deinit(&parts.b);
}

Test(partition, what_is_common_to_the_whole_is_common_to_the_parts)
{
	BUILT_PROFILE(built, places);
	struct parts parts = {.b = {.at = (char *)""}};

	profile_set_common(built.profile, (const struct common_labels *)&built);
	cr_expect_eq(profile_for_each_place(built.profile, put_part, &parts), 0);
	cr_expect_eq((const void *)parts.common, (const void *)&built);
	strbuf_deinit(&parts.b);
}

static int check_truth(void *ctx, u32 labels, const struct profile *part)
{
	struct truth truth;

	truth_of_part(ctx, part, &truth);
	cr_expect_eq(truth.samples, profile_samples(part));
	cr_expect_eq(truth.whole_samples, 31);
	cr_expect_eq(truth.lost[LOSS_RING_FULL], 5);
	cr_expect_eq(truth.incomplete[LOSS_CODE_GONE], labels == 3 ? 16 : 0);
	cr_expect_eq(truth.hz, 99);
	cr_expect(truth.from_file, "what it cost cannot be told by place");
	return 0;
}

Test(partition, a_parts_truth_has_its_own_samples_and_the_losses_of_the_whole_run)
{
	BUILT_PROFILE(built, places);

	built.truth.hz = 99;
	built.truth.lost[LOSS_RING_FULL] = 5;
	cr_expect_eq(profile_for_each_place(built.profile, check_truth, &built.truth), 0);
}

Test(partition, a_parts_words_say_whose_losses_they_are)
{
	struct truth truth = {.samples = 4, .whole_samples = 31, .from_file = true, .seconds = 10, .hz = 99};
	STRBUF(b);

	truth.lost[LOSS_RING_FULL] = 5;
	truth_put_words(&truth, &b);
	cr_expect_str_eq(b.at, "4 samples in 10.0 s at 99 Hz, of 31 in the whole run.\n"
			       "Complete: 100.00 % have their whole stack.\n"
			       "Lost: 5 samples of the whole run, whose place is not known: 5 ring-full.");
}

Test(partition, a_place_is_called_by_the_first_name_it_has)
{
	struct label_set set = {0};

	cr_expect_eq(label_set_name(&set), STRING_EMPTY);
	set.values[LABEL_SYSTEMD_UNIT] = 1;
	cr_expect_eq(label_set_name(&set), 1);
	set.values[LABEL_CONTAINER_ID] = 2;
	set.values[LABEL_IMAGE] = 9;
	cr_expect_eq(label_set_name(&set), 2);
	set.values[LABEL_K8S_POD] = 3;
	cr_expect_eq(label_set_name(&set), 3);
	set.values[LABEL_K8S_CONTAINER] = 4;
	cr_expect_eq(label_set_name(&set), 4);
	set.values[LABEL_CONTAINER_NAME] = 5;
	cr_expect_eq(label_set_name(&set), 5);
}
