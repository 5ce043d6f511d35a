/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "symbolize/perf_map.h"

static struct perf_map *map;

static void set_up(void)
{
	cr_assert_eq(perf_map_new(&map), 0);
}

static void tear_down(void)
{
	perf_map_free(map);
}

TestSuite(perf_map, .init = set_up, .fini = tear_down);

static size_t add(const char *text)
{
	size_t used = 0;

	cr_assert_eq(perf_map_add(map, text, strlen(text), &used), 0);
	return used;
}

static const char *name_at(u64 address)
{
	const char *name = perf_map_find(map, address);

	return name ? name : "none";
}

Test(perf_map, a_line_names_its_range)
{
	add("7f0000001000 20 first\n"
	    "7F0000001040 1a second function file.js:3\n"
	    "0x7f0000002000 0x10 py::f:/x.py\n");

	cr_assert_str_eq(name_at(0x7f0000000fff), "none");
	cr_assert_str_eq(name_at(0x7f0000001000), "first");
	cr_assert_str_eq(name_at(0x7f000000101f), "first");
	cr_assert_str_eq(name_at(0x7f0000001020), "none");
	cr_assert_str_eq(name_at(0x7f0000001059), "second function file.js:3");
	cr_assert_str_eq(name_at(0x7f000000105a), "none");
	cr_assert_str_eq(name_at(0x7f000000200f), "py::f:/x.py");
	cr_assert_str_eq(name_at(UINT64_MAX), "none");
}

Test(perf_map, a_later_line_wins_where_they_overlap)
{
	add("1000 100 old\n"
	    "1040 10 inside\n"
	    "10f0 20 over_the_end\n"
	    "0ff0 18 over_the_start\n");

	cr_assert_str_eq(name_at(0xff0), "over_the_start");
	cr_assert_str_eq(name_at(0x1007), "over_the_start");
	cr_assert_str_eq(name_at(0x1008), "old");
	cr_assert_str_eq(name_at(0x103f), "old");
	cr_assert_str_eq(name_at(0x1040), "inside");
	cr_assert_str_eq(name_at(0x1050), "old");
	cr_assert_str_eq(name_at(0x10ef), "old");
	cr_assert_str_eq(name_at(0x10f0), "over_the_end");
	cr_assert_str_eq(name_at(0x110f), "over_the_end");
	cr_assert_str_eq(name_at(0x1110), "none");
}

Test(perf_map, what_is_added_after_a_look_up_wins_too)
{
	add("1000 100 old\n");
	cr_assert_str_eq(name_at(0x1080), "old");
	add("1080 10 new\n");
	cr_assert_str_eq(name_at(0x107f), "old");
	cr_assert_str_eq(name_at(0x1080), "new");
	cr_assert_str_eq(name_at(0x1090), "old");
	add("1000 100 newest\n");
	cr_assert_str_eq(name_at(0x1088), "newest");
}

Test(perf_map, a_line_counts_when_it_is_whole)
{
	cr_assert_eq(add("1000 10 one\n2000 10 tw"), strlen("1000 10 one\n"));
	cr_assert_str_eq(name_at(0x1000), "one");
	cr_assert_str_eq(name_at(0x2000), "none");
	add("2000 10 two\n");
	cr_assert_str_eq(name_at(0x2000), "two");
}

Test(perf_map, lines_that_are_not_understood_are_left_out)
{
	add("\n\n1000\n1000 \n1000 10\n1000 10 \nx 10 name\n1000 0 empty\n 1000 10 blank\n"
	    "fffffffffffffff0 20 wraps\n11112222333344445 10 long\n1000  10 two\n2000 10 good\n");

	cr_assert_str_eq(name_at(0x1000), "none");
	cr_assert_str_eq(name_at(0xfffffffffffffff8), "none");
	cr_assert_str_eq(name_at(0x2000), "good");
}

/* What each address of a small space is called: the last line that covers it, without any cleverness. */
Test(perf_map, many_overlaps_are_resolved_as_one_by_one)
{
	static char expected[1 << 12][16];
	u32 random = 12345;

	for (int i = 0; i < 5000; i++) {
		char line[64];

		random = random * 1664525 + 1013904223;
		u32 start = random >> 20, size = 1 + (random >> 8) % 64;
		snprintf(line, sizeof(line), "%x %x f%d\n", start, size, i);
		add(line);
		for (u32 at = start; at < start + size && at < 1 << 12; at++)
			snprintf(expected[at], sizeof(expected[at]), "f%d", i);
		if (i % 1000)
			continue;
		for (u32 at = 0; at < 1 << 12; at++)
			cr_assert_str_eq(name_at(at), expected[at][0] ? expected[at] : "none");
	}
	for (u32 at = 0; at < 1 << 12; at++)
		cr_assert_str_eq(name_at(at), expected[at][0] ? expected[at] : "none");
}

Test(perf_map, more_lines_than_any_compiler_writes_are_refused)
{
	static const char line[] = "1000 10 a\n";
	size_t used;
	int err = 0;

	for (int i = 0; !err && i < 2 << 20; i++)
		err = perf_map_add(map, line, strlen(line), &used);
	cr_assert_eq(err, -E2BIG);
	cr_assert_str_eq(name_at(0x1000), "a");
	cr_assert_lt(perf_map_bytes(map), 100u << 20);
}
