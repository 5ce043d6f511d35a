/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which rows there are; what is in them is for tests/e2e/test_containers_list.c, with real groups and their clocks. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/containers_list.h"
#include "container/hierarchies.h"

#define SCOPE "/system.slice/runc-mine.scope"
#define ID    "aaaaaaaaaaaa0000000000000000000000000000000000000000000000000000"

static char root[] = "/tmp/pyprof-list-XXXXXX";
static struct containers_list list;

static void set_up(void)
{
	struct hierarchies none = {.root = "/", .v2 = {-1, ""}, .v1 = {-1, ""}};

	cr_assert(mkdtemp(root));
	cr_assert_eq(place_table_new_at(&none, root, &list.places), 0);
}

static void tear_down(void)
{
	char command[64];

	containers_list_deinit(&list);
	snprintf(command, sizeof(command), "rm -r %s", root);
	cr_expect_eq(system(command), 0);
}

TestSuite(containers_list, .init = set_up, .fini = tear_down);

static void add(u64 id, const char *path)
{
	struct cgroup_record record = {.record = {.type = RECORD_CGROUP, .size = sizeof(record)}, .cgroup_id = id};
	struct place *place;

	snprintf(record.path, sizeof(record.path), "%s", path);
	cr_assert_eq(place_table_add(list.places, &record, &place), 0);
}

static void write_state(void)
{
	static const char *const directories[] = {"/run", "/run/runc", "/run/runc/mine"};
	char path[128];

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", root, directories[i]);
		cr_assert_eq(mkdir(path, 0755), 0);
	}
	snprintf(path, sizeof(path), "%s/run/runc/mine/state.json", root);
	FILE *file = fopen(path, "w");
	cr_assert_not_null(file);
	fputs("{\"cgroup_paths\":{\"\":\"/sys/fs/cgroup" SCOPE "\"}}", file);
	cr_assert_eq(fclose(file), 0);
}

static size_t rows_of(const char *cgroup)
{
	size_t cnt = 0;

	for (size_t i = 0; i < list.cnt; i++)
		cnt += !strcmp(list.rows[i].place->cgroup, cgroup);
	return cnt;
}

/* runc with systemd's driver: a unit at first sight. Both rows would read the clock of the one group. */
Test(containers_list, a_unit_that_turns_out_to_be_a_container_is_one_row)
{
	add(1, "/");
	add(2, SCOPE);
	add(3, "/docker/" ID);
	cr_assert_eq(containers_list_make_rows(&list), 0);
	cr_expect_eq(list.cnt, 3);
	cr_expect_eq(rows_of(SCOPE), 1);
	write_state();
	place_table_name(list.places);
	cr_assert_eq(containers_list_make_rows(&list), 0);
	cr_expect_eq(rows_of(SCOPE), 1);
	cr_expect_eq(list.cnt, 3);
	for (size_t i = 0; i < list.cnt; i++)
		if (!strcmp(list.rows[i].place->cgroup, SCOPE))
			cr_expect(list.rows[i].place->is_container);
}
