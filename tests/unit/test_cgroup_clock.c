/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "container/cgroup_clock.h"

/* A machine with two mounts, below a directory of its own. */
static char root[] = "/tmp/pyprof-clock-XXXXXX";
static char v1_mount[] = "/v1", v2_mount[] = "/v2";
static struct hierarchies machine = {.root = root, .mounts = {v1_mount, v2_mount}, .mount_cnt = 2};

static void directory(const char *path)
{
	char whole[200];

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	cr_assert_eq(mkdir(whole, 0700), 0);
}

static void file(const char *path, const char *text)
{
	char whole[200];

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	FILE *out = fopen(whole, "w");
	cr_assert_not_null(out);
	fputs(text, out);
	fclose(out);
}

static void set_up(void)
{
	cr_assert_not_null(mkdtemp(root));
	directory("/v1");
	directory("/v2");
	directory("/v1/both");
	directory("/v2/both");
	directory("/v2/new");
}

static void tear_down(void)
{
	char command[200];

	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	cr_assert_eq(system(command), 0);
}

TestSuite(cgroup_clock, .init = set_up, .fini = tear_down);

static u64 read_clock(const char *path)
{
	u64 ns = 0;

	cr_assert_eq(cgroup_clock_read(&machine, path, &ns), 0, "%s", path);
	return ns;
}

/* Text as Linux 6.18 writes it. */
#define STAT "usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\nnice_usec 0\n"

Test(cgroup_clock, of_v1_counts_nanoseconds_and_of_v2_microseconds)
{
	file("/v1/both/cpuacct.usage", "18446744073709551614\n");
	file("/v2/new/cpu.stat", STAT);
	cr_expect_eq(read_clock("/both"), 18446744073709551614ull);
	cr_expect_eq(read_clock("/new"), 1234567000ull);
}

Test(cgroup_clock, of_v1_is_asked_first)
{
	file("/v1/both/cpuacct.usage", "5\n");
	file("/v2/both/cpu.stat", STAT);
	cr_expect_eq(read_clock("/both"), 5);
}

Test(cgroup_clock, of_the_root_is_that_of_the_mounts_directory)
{
	file("/v1/cpuacct.usage", "77\n");
	cr_expect_eq(read_clock("/"), 77);
}

Test(cgroup_clock, is_not_what_v1s_controller_cpu_counts)
{
	file("/v1/both/cpu.stat", "nr_periods 3\nnr_throttled 1\nthrottled_time 5\n");
	file("/v2/both/cpu.stat", STAT);
	cr_expect_eq(read_clock("/both"), 1234567000ull);
}

Test(cgroup_clock, is_missing_where_nothing_that_makes_sense_is)
{
	static const char *const texts[] = {"",
					    "\n",
					    "usage_usec",
					    "usage_usec \n",
					    "usage_usec x\n",
					    "usage_usec 18446744073709551615\n",
					    "usage_usec 99999999999999999999999\n"};
	u64 ns = 42;

	cr_expect_eq(cgroup_clock_read(&machine, "/gone", &ns), -ENOENT);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		file("/v2/new/cpu.stat", texts[i]);
		cr_expect_eq(cgroup_clock_read(&machine, "/new", &ns), -ENOENT, "%s", texts[i]);
	}
	cr_expect_eq(ns, 42);
}
