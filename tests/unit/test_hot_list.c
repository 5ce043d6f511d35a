/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/hot_list.h"

#include <criterion/criterion.h>

#include "base/strbuf.h"
#include "build_profile.h"
#include "profile/root.h"

static const struct view plain = {.lines = true, .pids = true};

static void list_put(const struct built_profile *built, const struct hot_list *list, const struct view *view,
		     struct strbuf *b)
{
	for (size_t i = 0; i < list->cnt; i++) {
		const struct hot_row *row = &list->rows[i];

		strbuf_printf(b, "%llu %llu ", row->self, row->total);
		frame_put(&built->tables, frame_table_get(built->tables.frames, row->frame), view, b);
		strbuf_put(b, " of ");
		origin_put_root(built->profile, profile_origin_at(built->profile, row->origin), view, b);
		strbuf_put_char(b, '\n');
	}
}

/* "self total frame of process" per row. */
static void expect_list_in(const char *folded, struct view view, enum hot_sort sort, const char *expected)
{
	BUILT_PROFILE(built, folded);
	struct hot_list list;
	STRBUF(b);

	cr_assert_eq(hot_list_build(built.profile, &view, sort, &list), 0);
	list_put(&built, &list, &view, &b);
	hot_list_deinit(&list);
	cr_assert_str_eq(b.at, expected);
}

static void expect_list(const char *folded, enum hot_sort sort, const char *expected)
{
	expect_list_in(folded, plain, sort, expected);
}

static void expect_processes(const char *folded, const char *expected)
{
	BUILT_PROFILE(built, folded);
	struct hot_list list;
	STRBUF(b);

	cr_assert_eq(hot_list_build(built.profile, &plain, HOT_SORT_SELF, &list), 0);
	for (size_t i = 0; i < list.process_cnt; i++) {
		const struct hot_process *process = &list.processes[i];

		strbuf_printf(&b, "%llu ", process->samples);
		origin_put_process(built.profile, profile_origin_at(built.profile, process->origin), &plain, &b);
		strbuf_put(&b, ": ");
		if (process->hottest != HOT_NO_FRAME)
			frame_put(&built.tables, frame_table_get(built.tables.frames, process->hottest), &plain, &b);
		strbuf_put_char(&b, '\n');
	}
	hot_list_deinit(&list);
	cr_assert_str_eq(b.at, expected);
}

Test(hot_list, self_is_the_leaf_and_total_is_everything_above)
{
	expect_list("app (1);main (a.py:1);load (a.py:9) 3\n"
		    "app (1);main (a.py:1) 2\n",
		    HOT_SORT_SELF,
		    "3 3 load (a.py:9) of app (1)\n"
		    "2 5 main (a.py:1) of app (1)\n");
}

Test(hot_list, a_recursive_function_counts_once_per_sample)
{
	expect_list("app (1);f (a.py:1);f (a.py:2);g (a.py:7);f (a.py:2) 10\n", HOT_SORT_TOTAL,
		    "10 10 f (a.py:2) of app (1)\n"
		    "0 10 g (a.py:7) of app (1)\n");
}

Test(hot_list, the_hottest_line_stands_for_its_function)
{
	expect_list("app (1);f (a.py:1) 1\n"
		    "app (1);f (a.py:2) 5\n"
		    "app (1);f (a.py:3) 2\n",
		    HOT_SORT_SELF, "8 8 f (a.py:2) of app (1)\n");
}

Test(hot_list, what_c_code_spends_decides_on_the_line_too)
{
	expect_list("app (1);f (a.py:1) 1\n"
		    "app (1);f (a.py:2);inflate (libz.so.1) 5\n",
		    HOT_SORT_SELF,
		    "5 5 inflate (libz.so.1) of app (1)\n"
		    "1 6 f (a.py:2) of app (1)\n");
}

Test(hot_list, processes_and_files_are_kept_apart)
{
	expect_list("app (1);f (a.py:1) 4\napp (2);f (a.py:1) 3\napp (2);f (b.py:1) 2\n", HOT_SORT_SELF,
		    "4 4 f (a.py:1) of app (1)\n"
		    "3 3 f (a.py:1) of app (2)\n"
		    "2 2 f (b.py:1) of app (2)\n");
}

Test(hot_list, threads_of_a_process_are_counted_together)
{
	expect_list("app (1);@x (1);f (a.py:1) 4\napp (1);@y (2);f (a.py:1) 3\n", HOT_SORT_SELF,
		    "7 7 f (a.py:1) of app (1)\n");
}

Test(hot_list, it_can_be_sorted_by_function_and_by_process)
{
	const char *folded = "b (1);z (a.py:1) 1\na (2);y (a.py:1) 2\nb (1);x (a.py:1) 3\n";

	expect_list(folded, HOT_SORT_FUNCTION,
		    "3 3 x (a.py:1) of b (1)\n"
		    "2 2 y (a.py:1) of a (2)\n"
		    "1 1 z (a.py:1) of b (1)\n");
	expect_list(folded, HOT_SORT_PROCESS,
		    "2 2 y (a.py:1) of a (2)\n"
		    "3 3 x (a.py:1) of b (1)\n"
		    "1 1 z (a.py:1) of b (1)\n");
}

Test(hot_list, losses_are_rows_like_any_other)
{
	expect_list("app (1);[unknown: code-gone] 2\napp (1);[truncated: time];f (lib.so) 1\n", HOT_SORT_SELF,
		    "2 2 [unknown: code-gone] of app (1)\n"
		    "1 1 f (lib.so) of app (1)\n"
		    "0 1 [truncated: time] of app (1)\n");
}

Test(hot_list, processes_come_by_samples_and_say_what_is_hottest)
{
	expect_processes("cc1 (5);parse (cc1) 4\ncc1 (5);emit (cc1) 3\nsh (6);read (libc.so.6) 9\n",
			 "9 sh (6): read (libc.so.6)\n"
			 "7 cc1 (5): parse (cc1)\n");
}

Test(hot_list, of_a_python_process_the_hottest_is_python_although_c_code_has_the_samples)
{
	expect_processes("app (1);main (a.py:1);load (a.py:9);inflate (libz.so.1) 8\n"
			 "app (1);main (a.py:2) 3\n",
			 "11 app (1): load (a.py:9)\n");
}

Test(hot_list, empty_stacks_are_samples_without_a_hottest_frame)
{
	expect_processes("app (1) 5\n", "5 app (1): \n");
}

Test(hot_list, an_empty_profile_is_an_empty_list)
{
	expect_list("", HOT_SORT_PROCESS, "");
	expect_processes("", "");
}

static const char places[] = "{web};python3 (10);@main (10);f (a.py:1) 4\n"
			     "{web};python3 (10);@pool (12);f (a.py:1) 2\n"
			     "{web=other};python3 (11);@main (11);f (a.py:1) 1\n"
			     "python3 (20);@main (20);f (a.py:1) 16\n";

Test(hot_list, rows_are_of_what_stands_at_the_root)
{
	expect_list_in(places, (struct view){.pids = true, .per = PER_CONTAINER}, HOT_SORT_SELF,
		       "16 16 f (a.py) of host\n"
		       "7 7 f (a.py) of web\n");
	expect_list_in(places, (struct view){.per = PER_COMM}, HOT_SORT_SELF, "23 23 f (a.py) of python3\n");
	expect_list_in(places, (struct view){.pids = true, .threads = true, .per = PER_THREAD}, HOT_SORT_SELF,
		       "16 16 f (a.py) of python3 (20), main (20)\n"
		       "4 4 f (a.py) of python3 (10), main (10)\n"
		       "2 2 f (a.py) of python3 (10), pool (12)\n"
		       "1 1 f (a.py) of python3 (11), main (11)\n");
}

Test(hot_list, places_are_sorted_by_their_names)
{
	expect_list_in("{b};x (1);f (a.py:1) 1\n{a};x (2);f (a.py:1) 1\n{c};x (3);f (a.py:1) 1\n",
		       (struct view){.pids = true, .per = PER_CONTAINER}, HOT_SORT_PROCESS,
		       "1 1 f (a.py) of a\n"
		       "1 1 f (a.py) of b\n"
		       "1 1 f (a.py) of c\n");
}
