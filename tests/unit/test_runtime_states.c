/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How many files a look opens, of what a runtime keeps. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "container/runtime_states.h"

static char root[] = "/tmp/pyprof-test-XXXXXX";
static int root_fd;
static struct runtime_states *states;

static void make(const char *path)
{
	char full[256];

	snprintf(full, sizeof(full), "%s%s", root, path);
	cr_assert_eq(mkdir(full, 0700), 0, "%s", full);
}

static void set_up(void)
{
	cr_assert_not_null(mkdtemp(root));
	root_fd = open(root, O_PATH | O_DIRECTORY);
	cr_assert_geq(root_fd, 0);
	make("/run");
	make("/run/runc");
	cr_assert_eq(runtime_states_new(root_fd, &states), 0);
}

static void tear_down(void)
{
	char command[64];

	runtime_states_free(states);
	close(root_fd);
	snprintf(command, sizeof(command), "rm -r %s", root);
	cr_expect_eq(system(command), 0);
}

TestSuite(runtime_states, .init = set_up, .fini = tear_down, .timeout = 300);

static void put_state(const char *id, const char *cgroup)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/run/runc/%s/state.json", root, id);
	FILE *file = fopen(path, "w");
	cr_assert_not_null(file);
	fprintf(file, "{\"cgroup_paths\":{\"\":\"/sys/fs/cgroup%s\"}}", cgroup);
	fclose(file);
}

static void put_container(const char *id, const char *cgroup)
{
	char path[64];

	snprintf(path, sizeof(path), "/run/runc/%s", id);
	make(path);
	put_state(id, cgroup);
}

static void put_containers(unsigned cnt)
{
	for (unsigned i = 0; i < cnt; i++) {
		char id[16], cgroup[16];

		snprintf(id, sizeof(id), "c%u", i);
		snprintf(cgroup, sizeof(cgroup), "/g%u", i);
		put_container(id, cgroup);
	}
}

static void make_old(const char *path)
{
	static const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	char full[256];

	snprintf(full, sizeof(full), "%s%s", root, path);
	cr_assert_eq(utimensat(AT_FDCWD, full, old, 0), 0);
}

static const char *find(const char *cgroup)
{
	size_t size;
	const struct runtime_state *state = runtime_states_find(states, cgroup, &size);

	return state ? state->id : "";
}

static u64 opened_by(const char *cgroup, const char *expected)
{
	u64 before = runtime_states_opened(states);

	cr_expect_str_eq(find(cgroup), expected);
	return runtime_states_opened(states) - before;
}

Test(runtime_states, all_are_read_at_first_and_then_only_what_is_new)
{
	put_containers(300);
	cr_expect_eq(opened_by("/g299/x", "c299"), 300);
	cr_expect_eq(opened_by("/nobody", ""), 0);
	usleep(150000);
	put_container("new", "/new");
	cr_expect_eq(opened_by("/new", "new"), 1);
	cr_expect_eq(opened_by("/g7", "c7"), 0);
}

Test(runtime_states, a_directory_that_was_left_behind_costs_nothing_more)
{
	put_containers(300);
	make("/run/runc/left");
	make_old("/run/runc/left");
	make_old("/run/runc");
	cr_expect_eq(opened_by("/nobody", ""), 301);
	for (int i = 0; i < 20; i++)
		cr_expect_eq(opened_by("/nobody", ""), 0);
	/* Unless a file comes to be in it after all. */
	usleep(150000);
	put_state("left", "/late");
	cr_expect_eq(opened_by("/late", "left"), 1);
}

Test(runtime_states, a_young_directory_gets_its_file_any_moment)
{
	put_containers(3);
	make("/run/runc/young");
	cr_expect_str_eq(find("/young"), "");
	put_state("young", "/young");
	cr_expect_eq(opened_by("/young", "young"), 1, "that one alone");
	cr_expect_eq(opened_by("/young", "young"), 0);
}

Test(runtime_states, an_id_that_is_used_again_is_another_container)
{
	char path[256];

	put_container("box", "/first");
	cr_expect_str_eq(find("/first"), "box");
	snprintf(path, sizeof(path), "%s/run/runc/box/state.json", root);
	cr_assert_eq(unlink(path), 0);
	*strrchr(path, '/') = 0;
	cr_assert_eq(rmdir(path), 0);
	usleep(10000);
	put_container("box", "/second");
	cr_expect_str_eq(find("/second"), "box");
	cr_expect_str_eq(find("/first"), "");
}

Test(runtime_states, many_new_ones_are_read_little_by_little)
{
	cr_expect_str_eq(find("/g0"), "");
	put_containers(300);
	cr_expect_leq(opened_by("/nobody", ""), 64);
	for (int i = 0; i < 4; i++)
		cr_expect_leq(opened_by("/nobody", ""), 64);
	cr_expect_str_eq(find("/g0"), "c0");
	cr_expect_str_eq(find("/g299"), "c299");
}
