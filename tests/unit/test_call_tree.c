/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/call_tree.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/strbuf.h"
#include "build_profile.h"

static const struct view plain = {.lines = true, .pids = true};

static struct call_tree *tree_of(const struct built_profile *built, const struct view *view)
{
	struct call_tree *tree = NULL;

	cr_assert_eq(call_tree_build(built->profile, view, &tree), 0);
	return tree;
}

/* "text total/self" per node in preorder, indented by depth. */
static void tree_put(const struct call_tree *tree, u32 i, struct strbuf *b)
{
	const struct call_node *node = call_tree_at(tree, i);

	strbuf_printf(b, "%*s%s %llu/%llu\n", (int)node->depth, "", node->text, node->total, node->self);
	for (u32 child = node->first_child; child; child = call_tree_at(tree, child)->next_sibling) {
		cr_assert_eq(call_tree_at(tree, child)->parent, i);
		tree_put(tree, child, b);
	}
}

static void expect_tree(const char *folded, struct view view, const char *expected)
{
	BUILT_PROFILE(built, folded);
	_cleanup_(call_tree) struct call_tree *tree = tree_of(&built, &view);
	STRBUF(b);

	tree_put(tree, 0, &b);
	cr_assert_str_eq(b.at, expected);
}

Test(call_tree, counts_add_up_to_the_root_and_siblings_are_sorted)
{
	expect_tree("app (1);main (a.py:1);z (a.py:9) 3\n"
		    "app (1);main (a.py:1);b (a.py:5) 2\n"
		    "app (1);main (a.py:1) 4\n"
		    "aaa (2);poll (libc.so.6) 1\n",
		    plain,
		    "all 10/0\n"
		    " aaa (2) 1/0\n"
		    "  poll (libc.so.6) 1/1\n"
		    " app (1) 9/0\n"
		    "  main (a.py:1) 9/4\n"
		    "   b (a.py:5) 2/2\n"
		    "   z (a.py:9) 3/3\n");
}

Test(call_tree, frames_that_read_the_same_are_one_node_with_one_set_of_children)
{
	expect_tree("app (1);f (lib.so)#1;g (lib.so) 1\n"
		    "app (1);f (lib.so)#2;g (lib.so) 2\n"
		    "app (1);f (lib.so)#2;h (lib.so) 4\n",
		    plain,
		    "all 7/0\n"
		    " app (1) 7/0\n"
		    "  f (lib.so) 7/0\n"
		    "   g (lib.so) 3/3\n"
		    "   h (lib.so) 4/4\n");
}

Test(call_tree, without_lines_the_lines_of_a_function_are_one_node)
{
	expect_tree("app (1);f (a.py:1) 1\napp (1);f (a.py:2) 2\n", (struct view){.pids = true},
		    "all 3/0\n"
		    " app (1) 3/0\n"
		    "  f (a.py) 3/3\n");
}

Test(call_tree, without_pids_processes_of_one_name_are_one_node)
{
	expect_tree("app (1);f (a.py:1) 1\napp (2);f (a.py:1) 2\n", (struct view){.lines = true},
		    "all 3/0\n"
		    " app 3/0\n"
		    "  f (a.py:1) 3/3\n");
}

Test(call_tree, the_same_stack_in_two_processes_is_two_nodes)
{
	expect_tree("app (1);f (a.py:1) 1\napp (2);f (a.py:1) 2\n", plain,
		    "all 3/0\n"
		    " app (1) 1/0\n"
		    "  f (a.py:1) 1/1\n"
		    " app (2) 2/0\n"
		    "  f (a.py:1) 2/2\n");
}

Test(call_tree, threads_stand_below_their_process_when_asked_for)
{
	const char *folded = "app (1);@one (1);f (a.py:1) 1\napp (1);@two (2);f (a.py:1) 2\n";

	expect_tree(folded, (struct view){.lines = true, .pids = true, .threads = true},
		    "all 3/0\n"
		    " app (1) 3/0\n"
		    "  one (1) 1/0\n"
		    "   f (a.py:1) 1/1\n"
		    "  two (2) 2/0\n"
		    "   f (a.py:1) 2/2\n");
	expect_tree(folded, plain,
		    "all 3/0\n"
		    " app (1) 3/0\n"
		    "  f (a.py:1) 3/3\n");
}

Test(call_tree, nodes_know_what_they_are)
{
	BUILT_PROFILE(built, "app (1);@one (3);f (a.py:1) 1\n");
	const struct view threads = {.lines = true, .threads = true};
	_cleanup_(call_tree) struct call_tree *tree = tree_of(&built, &threads);
	u32 frame = call_tree_at(tree, 3)->frame;

	cr_assert_eq(call_tree_at(tree, 0)->kind, NODE_ROOT);
	cr_assert_eq(call_tree_at(tree, 1)->kind, NODE_PROCESS);
	cr_assert_eq(call_tree_at(tree, 2)->kind, NODE_THREAD);
	cr_assert_eq(call_tree_at(tree, 3)->kind, NODE_FRAME);
	cr_assert_eq(frame_table_get(built.tables.frames, frame)->line, 1);
	cr_assert_eq(call_tree_depth(tree), 3);
}

Test(call_tree, an_empty_profile_is_a_root)
{
	expect_tree("", plain, "all 0/0\n");
}

Test(call_tree, a_hundred_thousand_stacks_of_depth_600_share_their_callers)
{
	BUILT_PROFILE(built, "app (1);f (lib.so) 1\n");
	u32 stack = STACK_ROOT, leaf;

	for (int i = 0; i < 600; i++)
		cr_assert_eq(stack_table_push(built.tables.stacks, stack, 0, &stack), 0);
	for (u32 i = 0; i < 100000; i++) {
		struct frame key = {.kind = FRAME_NATIVE, .address = 0x10000 + i};
		u32 frame;

		cr_assert_eq(frame_table_intern(built.tables.frames, &key, &frame, NULL), 0);
		cr_assert_eq(stack_table_push(built.tables.stacks, stack, frame, &leaf), 0);
		cr_assert_eq(profile_add(built.profile, 0, leaf, 1), 0);
	}
	_cleanup_(call_tree) struct call_tree *tree = tree_of(&built, &plain);
	cr_assert_eq(call_tree_cnt(tree), 1 + 1 + 600 + 100000);
	cr_assert_eq(call_tree_at(tree, 0)->total, 100001);
	cr_assert_eq(call_tree_depth(tree), 602);
}

static const char places[] = "{web};python3 (10);@main (10);f (a.py:1) 4\n"
			     "{web};python3 (10);@pool (12);f (a.py:1) 2\n"
			     "{web=other};nginx (11);@nginx (11);poll (libc.so.6) 1\n"
			     "{nginx.service};nginx (30);@nginx (30);poll (libc.so.6) 8\n"
			     "python3 (20);@main (20);f (a.py:1) 16\n";

Test(call_tree, per_container_has_places_above_processes_and_those_of_one_name_are_one)
{
	expect_tree(places, (struct view){.lines = true, .pids = true, .per = PER_CONTAINER},
		    "all 31/0\n"
		    " host 16/0\n"
		    "  python3 (20) 16/0\n"
		    "   f (a.py:1) 16/16\n"
		    " nginx.service 8/0\n"
		    "  nginx (30) 8/0\n"
		    "   poll (libc.so.6) 8/8\n"
		    " web 7/0\n"
		    "  nginx (11) 1/0\n"
		    "   poll (libc.so.6) 1/1\n"
		    "  python3 (10) 6/0\n"
		    "   f (a.py:1) 6/6\n");
}

Test(call_tree, per_container_with_threads_and_without_pids_has_three_levels_of_names)
{
	expect_tree("{web};python3 (10);@main (10);f (a.py:1) 4\n{web};python3 (11);@main (10);f (a.py:1) 1\n",
		    (struct view){.lines = true, .threads = true, .per = PER_CONTAINER},
		    "all 5/0\n"
		    " web 5/0\n"
		    "  python3 5/0\n"
		    "   main (10) 5/0\n"
		    "    f (a.py:1) 5/5\n");
}

Test(call_tree, per_thread_has_one_level_that_names_process_and_thread)
{
	expect_tree(places, (struct view){.lines = true, .pids = true, .threads = true, .per = PER_THREAD},
		    "all 31/0\n"
		    " nginx (11), nginx (11) 1/0\n"
		    "  poll (libc.so.6) 1/1\n"
		    " nginx (30), nginx (30) 8/0\n"
		    "  poll (libc.so.6) 8/8\n"
		    " python3 (10), main (10) 4/0\n"
		    "  f (a.py:1) 4/4\n"
		    " python3 (10), pool (12) 2/0\n"
		    "  f (a.py:1) 2/2\n"
		    " python3 (20), main (20) 16/0\n"
		    "  f (a.py:1) 16/16\n");
}

Test(call_tree, per_comm_makes_one_of_all_processes_of_a_name_wherever_they_run)
{
	expect_tree(places, (struct view){.lines = true, .per = PER_COMM},
		    "all 31/0\n"
		    " nginx 9/0\n"
		    "  poll (libc.so.6) 9/9\n"
		    " python3 22/0\n"
		    "  f (a.py:1) 22/22\n");
}

Test(call_tree, a_place_with_a_hostile_name_is_visible_text_and_one_level)
{
	BUILT_PROFILE(built, "{x};app (1);f (a.py:1) 1\n");
	struct label_set set = {0};
	u32 labels, origin;

	cr_assert_eq(string_table_intern(built.tables.strings, "a;b\xe2\x80\xae\xff\n</svg>",
					 &set.values[LABEL_CONTAINER_NAME]),
		     0);
	cr_assert_eq(label_table_intern(built.tables.labels, &set, &labels), 0);
	cr_assert_eq(profile_origin(built.profile, &(struct origin){.pid = 2, .labels = labels}, &origin), 0);
	profile_clear(built.profile);
	cr_assert_eq(profile_add(built.profile, origin, STACK_ROOT, 1), 0);

	struct view view = {.pids = true, .per = PER_CONTAINER};
	_cleanup_(call_tree) struct call_tree *tree = tree_of(&built, &view);
	STRBUF(b);

	tree_put(tree, 0, &b);
	cr_assert_str_eq(b.at, "all 1/0\n a:b\\u202e\xef\xbf\xbd?</svg> 1/0\n  ? (2) 1/1\n");
}

/* The frames of a function stand for this expression, on the line that they have. */
static void set_columns(struct built_profile *built, const char *file, u32 column, u32 end_column, const char *text)
{
	struct frame_table *frames = built->tables.frames;
	u32 id, cnt = 0;

	cr_assert_eq(string_table_intern(built->tables.strings, text, &id), 0);
	for (u32 i = 0; i < frame_table_cnt(frames); i++) {
		struct frame *frame = frame_table_at(frames, i);

		if (strcmp(string_table_at(built->tables.strings, frame->file), file))
			continue;
		frame->file = frame_table_at(frames, 0)->file; /* they read the same from now on */
		frame->end_line = frame->line;
		frame->column = column;
		frame->end_column = end_column;
		frame->text = id;
		cnt++;
	}
	cr_assert_gt(cnt, 0, "no frame of %s", file);
}

/* main is there four times, in files that set_columns() makes one of. */
static const char spots[] = "app (1);main (a.py:1) 1\n"
			    "app (1);main (b.py:1) 2\n"
			    "app (1);main (b.py:1);g (x.py:1) 4\n"
			    "app (1);main (c.py:1) 5\n"
			    "app (1);main (d.py:1) 6\n";

Test(call_tree, expressions_of_a_node_have_its_samples_with_those_of_what_they_call_the_hottest_first)
{
	BUILT_PROFILE(built, spots);
	set_columns(&built, "b.py", 0, 4, "f(x)");
	set_columns(&built, "c.py", 0, 4, "f(x)");
	set_columns(&built, "d.py", 0, 9, "f(x) + 12");
	_cleanup_(call_tree) struct call_tree *tree = tree_of(&built, &plain);
	u32 node = call_tree_at(tree, call_tree_at(tree, 0)->first_child)->first_child;

	cr_assert_eq(call_tree_at(tree, node)->total, 18, "all of them are one node");
	cr_assert(call_tree_has_spots(tree));
	/* b.py's 2 + 4 and c.py's 5 are one expression; a.py's has none. */
	const struct call_spot *hottest = call_tree_spot(tree, node, 0), *second = call_tree_spot(tree, node, 1);
	cr_assert_eq(call_tree_at(tree, node)->spot_cnt, 2);
	cr_assert_eq(hottest->samples, 11);
	cr_assert_eq(frame_table_get(built.tables.frames, hottest->frame)->end_column, 4);
	cr_assert_eq(second->samples, 6);
	cr_assert_eq(frame_table_get(built.tables.frames, second->frame)->end_column, 9);
	cr_assert_eq(call_tree_at(tree, call_tree_at(tree, node)->first_child)->spot_cnt, 0);
}

Test(call_tree, without_lines_in_the_view_or_columns_there_are_no_expressions)
{
	BUILT_PROFILE(built, spots);
	_cleanup_(call_tree) struct call_tree *bare = tree_of(&built, &plain);

	cr_assert_not(call_tree_has_spots(bare));
	set_columns(&built, "b.py", 0, 4, "f(x)");
	_cleanup_(call_tree) struct call_tree *tree = tree_of(&built, &(struct view){.pids = true});
	cr_assert_not(call_tree_has_spots(tree));
}

Test(call_tree, a_function_that_calls_itself_has_the_expressions_of_each_level_apart)
{
	BUILT_PROFILE(built, "app (1);f (a.py:1);f (a.py:1)#2 3\napp (1);f (a.py:1) 1\n");
	set_columns(&built, "a.py", 4, 8, "f(x)");
	_cleanup_(call_tree) struct call_tree *tree = tree_of(&built, &plain);
	u32 outer = call_tree_at(tree, call_tree_at(tree, 0)->first_child)->first_child;
	u32 inner = call_tree_at(tree, outer)->first_child;

	cr_assert_eq(call_tree_at(tree, outer)->spot_cnt, 1);
	cr_assert_eq(call_tree_spot(tree, outer, 0)->samples, 4);
	cr_assert_eq(call_tree_at(tree, inner)->spot_cnt, 1);
	cr_assert_eq(call_tree_spot(tree, inner, 0)->samples, 3);
}
