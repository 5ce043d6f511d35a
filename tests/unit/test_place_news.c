/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* News of cgroups come through several rings: not in the order in which they happened. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "container/cgroup_table.h"
#include "container/hierarchies.h"
#include "container/place.h"

TestSuite(place_news);

#define ID_A "aaaaaaaaaaaa0000000000000000000000000000000000000000000000000000"
#define ID_B "bbbbbbbbbbbb0000000000000000000000000000000000000000000000000000"
#define ID   (1ull << 40)

static char root[] = "/tmp/pyprof-place-news-XXXXXX";
static struct place_table *table;

static void set_up(void)
{
	struct hierarchies none = {.root = "/", .v2 = {-1, ""}, .v1 = {-1, ""}};

	cr_assert(mkdtemp(root));
	cr_assert_eq(place_table_new_at(&none, root, &table), 0);
}

static void tear_down(void)
{
	place_table_free(table);
	rmdir(root);
}

static struct cgroup_record record_of(u32 type, u64 id, const char *path, u64 time_ns)
{
	struct cgroup_record record = {.record = {type, sizeof(record), time_ns}, .cgroup_id = id};

	snprintf(record.path, sizeof(record.path), "%s", path);
	return record;
}

static struct place *begins(u64 id, const char *path, u64 time_ns)
{
	const struct cgroup_record record = record_of(RECORD_CGROUP, id, path, time_ns);
	struct place *place = NULL;

	cr_assert_eq(place_table_add(table, &record, &place), 0);
	return place;
}

static bool ends(u64 id, const char *path, u64 time_ns)
{
	const struct cgroup_record record = record_of(RECORD_CGROUP_GONE, id, path, time_ns);

	return place_table_remove(table, &record);
}

static int cgroup_count(void *ctx, u64 id, const char *path, struct place *place)
{
	++*(int *)ctx;
	return 0;
}

static int there_cnt(void)
{
	int cnt = 0;

	cr_expect_eq(place_table_for_each_cgroup_all(table, cgroup_count, &cnt), 0);
	return cnt;
}

Test(place_news, a_beginning_and_then_its_end, .init = set_up, .fini = tear_down)
{
	cr_expect_not_null(begins(ID, "/docker/" ID_A, 1000));
	cr_expect_eq(there_cnt(), 1);
	cr_expect(ends(ID, "/docker/" ID_A, 2000));
	cr_expect_eq(there_cnt(), 0);
}

Test(place_news, an_end_and_then_its_beginning, .init = set_up, .fini = tear_down)
{
	cr_expect(ends(ID, "/docker/" ID_A, 2000));
	cr_expect_null(begins(ID, "/docker/" ID_A, 1000));
	cr_expect_eq(there_cnt(), 0, "it would be there for ever");

	/* Its samples are a container's all the same. */
	struct place *place = place_table_find(table, ID, 0, 0);
	u32 key = place->key;
	cr_expect_str_eq(place->values[LABEL_CONTAINER_ID], ID_A);
	cr_expect(place->gone);
	for (u64 now_ns = clock_monotonic_ns(), end_ns = now_ns + 100 * NS_PER_S; now_ns < end_ns; now_ns += NS_PER_S)
		place_table_turn(table, now_ns, NULL, NULL);
	cr_expect_null(place_table_at(table, key), "and it is forgotten as others are");
	cr_expect_eq(place_table_due_ns(table), UINT64_MAX);
}

Test(place_news, an_id_that_is_used_again_is_another_group, .init = set_up, .fini = tear_down)
{
	cr_expect(ends(ID, "/docker/" ID_A, 2000));
	struct place *place = begins(ID, "/docker/" ID_B, 3000);
	cr_assert_not_null(place);
	cr_expect_str_eq(place->values[LABEL_CONTAINER_ID], ID_B);
	cr_expect_eq(there_cnt(), 1);
	cr_expect_eq(begins(ID, "/docker/" ID_A, 1000), place, "the first one's beginning is the last to be heard");
	cr_expect_eq(place_table_find(table, ID, 0, 0), place);
	cr_expect_not(ends(ID, "/docker/" ID_A, 2000));
	cr_expect_eq(there_cnt(), 1);
	cr_expect(ends(ID, "/docker/" ID_B, 4000));
	cr_expect_eq(there_cnt(), 0);
}

Test(place_news, an_end_between_two_groups_of_one_id_and_path_is_the_firsts, .init = set_up, .fini = tear_down)
{
	begins(ID, "/docker/" ID_A, 1000);
	begins(ID, "/docker/" ID_A, 3000);
	cr_expect_not(ends(ID, "/docker/" ID_A, 2000));
	cr_expect_eq(there_cnt(), 1);
}

Test(place_news, an_end_is_remembered_of_what_a_sample_could_not_tell, .init = set_up, .fini = tear_down)
{
	cr_expect_eq(place_table_find(table, ID, 0, 0)->key, PLACE_HOST);
	cr_expect(ends(ID, "/docker/" ID_A, 2000));
	cr_expect_null(begins(ID, "/docker/" ID_A, 1000));
	cr_expect_str_eq(place_table_find(table, ID, 0, 0)->values[LABEL_CONTAINER_ID], ID_A);
}

Test(place_news, an_end_without_a_path_is_one_too, .init = set_up, .fini = tear_down)
{
	cr_expect(ends(ID, "", 2000));
	cr_expect_null(begins(ID, "/docker/" ID_A, 1000));
	cr_expect_eq(place_table_find(table, ID, 0, 0)->key, PLACE_HOST);
}

Test(place_news, a_flood_of_ends_is_bounded, .init = set_up, .fini = tear_down)
{
	for (u64 id = ID; id < ID + MAX_CGROUPS + 1000; id++)
		ends(id, "/burst", 2000);
	cr_expect_eq(there_cnt(), 0);
	cr_expect_null(begins(ID + MAX_CGROUPS + 999, "/burst", 1000), "the last are remembered");
	cr_expect_not_null(begins(ID, "/burst", 1000), "the first have made room");
}
