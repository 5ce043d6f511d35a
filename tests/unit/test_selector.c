/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The filter is a real map of the kernel's, smaller than the profiler's; the test does what the kernel side does. */
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "container/hierarchies.h"
#include "selector.h"

TestSuite(selector);

#define FRESH	 (1ull << 40) /* an id that no directory has */
#define CAPACITY 8

static char root[] = "/tmp/pyprof-selector-XXXXXX"; /* what is mounted: plain directories, which have inodes too */
static u32 overflows, settled;
static struct cgroup_filter filter = {-1, &overflows, &settled};
static struct place_table *places;
static struct selector *selector;
static u64 time_ns;

static void set_up(void)
{
	static const struct selection selections[] = {{SELECT_CGROUP, "/chosen"}, {SELECT_CONTAINER, "web"}};

	filter.map = bpf_map_create(BPF_MAP_TYPE_HASH, "cgroups", sizeof(u64), 1, CAPACITY, NULL);
	if (filter.map < 0 && (errno == EPERM || errno == ENOSYS))
		cr_skip_test("BPF maps are not for this user");
	cr_assert_geq(filter.map, 0);
	cr_assert(mkdtemp(root));
	struct hierarchies hierarchies = {
		.root = "/",
		.v2 = {.fd = open(root, O_RDONLY | O_DIRECTORY),
		       .controller = "",
		       .mount = strdup("/"),
		       .base = strdup("")},
		.v1 = {.fd = -1, .controller = ""},
	};
	cr_assert_eq(place_table_new_at(&hierarchies, root, &places), 0);
	cr_assert_eq(selector_new(selections, 2, places, &filter, &selector), 0);
	cr_assert_eq(selector_start(selector), 0);
	time_ns = clock_monotonic_ns();
}

static void tear_down(void)
{
	selector_free(selector);
	place_table_free(places);
	close(filter.map);
	rmdir(root);
}

static int sample_ignore(void *ctx, const struct sample *sample)
{
	return 0;
}

static void turn(void)
{
	cr_assert_eq(selector_turn(selector, clock_monotonic_ns(), sample_ignore, NULL), 0);
}

static void tick(bool news_were_lost)
{
	selector_tick(selector, news_were_lost);
	turn();
}

static void tell_at(u32 type, u64 id, const char *path, u64 at_ns)
{
	struct cgroup_record record = {.record = {type, sizeof(record), at_ns}, .cgroup_id = id};

	snprintf(record.path, sizeof(record.path), "%s", path);
	cr_assert_eq(selector_on_cgroup(selector, &record), 0);
}

static void tell(u32 type, u64 id, const char *path)
{
	tell_at(type, id, path, ++time_ns);
}

/* What cgroup.bpf.c does with the map. */
static void kernel_mkdir(u64 id)
{
	u8 value = 0;

	if (bpf_map_update_elem(filter.map, &id, &value, BPF_ANY))
		overflows++;
}

static void kernel_rmdir(u64 id)
{
	bpf_map_delete_elem(filter.map, &id);
}

static bool is_in_filter(u64 id)
{
	u8 value;

	return !bpf_map_lookup_elem(filter.map, &id, &value);
}

static int filter_cnt(void)
{
	u64 key, *last = NULL;
	int cnt = 0;

	for (; !bpf_map_get_next_key(filter.map, last, &key); last = &key)
		cnt++;
	return cnt;
}

Test(selector, a_group_that_went_before_it_was_told_of_leaves_nothing_in_the_filter, .init = set_up, .fini = tear_down)
{
	for (u64 id = FRESH; id < FRESH + 10 * CAPACITY; id++) {
		kernel_mkdir(id);
		kernel_rmdir(id);
		tell(RECORD_CGROUP, id, id % 2 ? "/chosen/short" : "/undecided");
		tell(RECORD_CGROUP_GONE, id, id % 2 ? "/chosen/short" : "/undecided");
	}
	cr_expect_eq(filter_cnt(), 0);
	cr_expect_not(selector_is_open(selector));
}

Test(selector, an_end_that_is_told_first_leaves_nothing_in_the_filter, .init = set_up, .fini = tear_down)
{
	kernel_mkdir(FRESH);
	kernel_rmdir(FRESH);
	tell_at(RECORD_CGROUP_GONE, FRESH, "/chosen/short", 2000);
	tell_at(RECORD_CGROUP, FRESH, "/chosen/short", 1000);
	turn();
	cr_expect_eq(filter_cnt(), 0);
	const struct sample sample = {.record = {RECORD_SAMPLE, sizeof(sample), 1500}, .cgroup_id = FRESH};
	enum selected selected;
	cr_expect_eq(selector_admit(selector, &sample, &selected), 0);
	cr_expect_eq(selector_cgroup_cnt(selector), 0, "a time so long ago is over by now");
}

Test(selector, samples_of_one_whose_end_is_told_first_are_taken, .init = set_up, .fini = tear_down)
{
	const struct sample sample = {.record = {RECORD_SAMPLE, sizeof(sample), time_ns}, .cgroup_id = FRESH};
	enum selected selected;

	tell_at(RECORD_CGROUP_GONE, FRESH, "/chosen/short", time_ns + 2);
	tell_at(RECORD_CGROUP, FRESH, "/chosen/short", time_ns + 1);
	turn();
	cr_expect_eq(selector_admit(selector, &sample, &selected), 0);
	cr_expect_eq(selected, SELECTED_YES);
	tell_at(RECORD_CGROUP_GONE, FRESH + 1, "/chosen-not/system.slice", time_ns + 2);
	cr_expect_eq(selector_cgroup_cnt(selector), 2);
}

Test(selector, an_id_that_is_used_again_is_chosen_again, .init = set_up, .fini = tear_down)
{
	tell_at(RECORD_CGROUP, FRESH, "/chosen/a", 1000);
	tell_at(RECORD_CGROUP_GONE, FRESH, "/chosen/a", 2000);
	cr_expect_not(is_in_filter(FRESH));
	kernel_mkdir(FRESH);
	tell_at(RECORD_CGROUP, FRESH, "/chosen/a", 3000);
	cr_expect(is_in_filter(FRESH));

	/* The end of the first one comes after the second's beginning. */
	tell_at(RECORD_CGROUP, FRESH + 1, "/chosen/b", 1000);
	tell_at(RECORD_CGROUP, FRESH + 1, "/chosen/b", 3000);
	tell_at(RECORD_CGROUP_GONE, FRESH + 1, "/chosen/b", 2000);
	cr_expect(is_in_filter(FRESH + 1));
}

Test(selector, a_filter_that_was_full_closes_when_all_that_is_chosen_fits, .init = set_up, .fini = tear_down)
{
	for (u64 id = FRESH; id < FRESH + CAPACITY + 2; id++) {
		kernel_mkdir(id);
		tell(RECORD_CGROUP, id, "/chosen/x");
	}
	cr_expect(selector_is_open(selector));
	for (int i = 0; i < 5; i++)
		tick(false);
	cr_expect(selector_is_open(selector), "there is no room yet");

	for (u64 id = FRESH; id < FRESH + 4; id++) {
		kernel_rmdir(id);
		tell(RECORD_CGROUP_GONE, id, "/chosen/x");
	}
	for (int i = 0; i < 3; i++)
		tick(false);
	cr_expect_not(selector_is_open(selector));
	cr_expect_eq(filter_cnt(), CAPACITY - 2);
	for (u64 id = FRESH + 4; id < FRESH + CAPACITY + 2; id++)
		cr_expect(is_in_filter(id), "%d", (int)(id - FRESH));
}

Test(selector, a_filter_that_was_full_of_what_nobody_chose_closes, .init = set_up, .fini = tear_down)
{
	/* In the kernel all were made before the first is told of. */
	for (u64 id = FRESH; id < FRESH + 3 * CAPACITY; id++)
		kernel_mkdir(id);
	cr_expect(selector_is_open(selector));
	for (u64 id = FRESH; id < FRESH + 3 * CAPACITY; id++)
		tell(RECORD_CGROUP, id, id == FRESH + 2 * CAPACITY ? "/chosen/late" : "/system.slice/x.service");
	tick(false);
	cr_expect(selector_is_open(selector), "what found no room may not be told of yet");
	tick(false);
	cr_expect_not(selector_is_open(selector));
	cr_expect_eq(filter_cnt(), 1);
	cr_expect(is_in_filter(FRESH + 2 * CAPACITY), "it found no room when it was made");
}

Test(selector, what_finds_no_room_between_two_ticks_keeps_the_filter_open, .init = set_up, .fini = tear_down)
{
	overflows++;
	selector_tick(selector, false);
	selector_tick(selector, false);
	overflows++;
	turn();
	cr_expect(selector_is_open(selector));
	tick(false);
	tick(false);
	cr_expect_not(selector_is_open(selector));
}

/* A group that a look at the hierarchy finds. Its id. */
static u64 chosen_make(void)
{
	char path[64];
	struct stat it;

	snprintf(path, sizeof(path), "%s/chosen", root);
	cr_assert_eq(mkdir(path, 0755), 0);
	cr_assert_eq(stat(path, &it), 0);
	return it.st_ino;
}

static void chosen_remove(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/chosen", root);
	rmdir(path);
}

static int unmet_put(void *ctx, const struct selection *selection)
{
	strbuf_printf(ctx, "%s\n", selection->text);
	return 0;
}

Test(selector, what_was_asked_for_and_is_not_there_is_said, .init = set_up, .fini = tear_down)
{
	STRBUF(before);
	STRBUF(after);
	STRBUF(gone);

	cr_assert_eq(selector_for_each_unmet(selector, unmet_put, &before), 0);
	cr_expect_str_eq(before.at, "/chosen\nweb\n");
	tell(RECORD_CGROUP, FRESH, "/chosen/below");
	cr_assert_eq(selector_for_each_unmet(selector, unmet_put, &after), 0);
	cr_expect_str_eq(after.at, "web\n");
	tell(RECORD_CGROUP_GONE, FRESH, "/chosen/below");
	cr_assert_eq(selector_for_each_unmet(selector, unmet_put, &gone), 0);
	cr_expect_str_eq(gone.at, "/chosen\nweb\n");
}

Test(selector, choices_whose_end_nobody_told_go_with_the_next_look, .init = set_up, .fini = tear_down)
{
	u64 chosen = chosen_make();

	tell(RECORD_CGROUP, chosen, "/chosen");
	for (u64 id = FRESH; id < FRESH + 3; id++)
		tell(RECORD_CGROUP, id, "/chosen/lost");
	cr_expect_eq(filter_cnt(), 4);
	cr_expect_eq(selector_cgroup_cnt(selector), 4);
	tick(true);
	cr_expect_eq(filter_cnt(), 1);
	cr_expect(is_in_filter(chosen));
	cr_expect_eq(selector_cgroup_cnt(selector), 4 + 1, "with the root; the last samples may be on their way");
	cr_assert_eq(selector_turn(selector, clock_monotonic_ns() + 3 * NS_PER_S, sample_ignore, NULL), 0);
	cr_expect_eq(selector_cgroup_cnt(selector), 1 + 1);
	chosen_remove();
}

Test(selector, a_group_whose_beginning_nobody_told_is_chosen_with_the_next_look, .init = set_up, .fini = tear_down)
{
	u64 chosen = chosen_make();

	overflows++; /* neither room nor news */
	tick(false);
	tick(true);
	cr_expect_not(selector_is_open(selector));
	cr_expect(is_in_filter(chosen));
	chosen_remove();
}
