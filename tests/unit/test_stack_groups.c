/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "report/stack_groups.h"

#include <criterion/criterion.h>

#include "base/strbuf.h"
#include "build_snapshot.h"

#define FRAMES "'frames': [{'func': 'get', 'file': 'q.py', 'line': 7}, {'func': 'run', 'file': 'q.py', 'line': 1}]"
#define OTHER  "'frames': [{'func': 'get', 'file': 'q.py', 'line': 8}, {'func': 'run', 'file': 'q.py', 'line': 1}]"

/* "0 1, 2": groups as lists of indices. */
static void expect_groups(const char *threads, const char *expected)
{
	STRBUF(input);
	STRBUF(text);

	strbuf_printf(&input, "{'pid': 1, 'threads': [%s]}", threads);
	_cleanup_(snapshot) struct snapshot *snapshot = snapshot_of_text(input.at);
	_cleanup_(stack_groups) struct stack_groups *groups = NULL;
	cr_assert_eq(stack_groups_new(snapshot, &groups), 0);
	for (size_t i = 0; i < groups->cnt; i++)
		for (size_t j = 0; j < groups->groups[i].cnt; j++)
			strbuf_printf(&text, "%s%zu", !text.size ? "" : j ? " " : ", ", groups->groups[i].members[j]);
	cr_assert_str_eq(text.at, expected);
}

Test(stack_groups, are_threads_at_the_same_place_in_the_order_of_their_first)
{
	expect_groups("{'tid': 1, 'ident': 1, " OTHER "}, {'tid': 2, 'ident': 2, " FRAMES "},"
		      "{'tid': 3, 'ident': 3, " OTHER "}, {'tid': 4, 'ident': 4, " FRAMES "},"
		      "{'tid': 5, 'ident': 5, " OTHER "}",
		      "0 2 4, 1 3");
}

Test(stack_groups, of_no_threads_are_none)
{
	expect_groups("", "");
}

Test(stack_groups, do_not_hold_who_has_the_gil_nor_the_main_thread)
{
	expect_groups("{'tid': 1, 'ident': 1, " FRAMES "}, {'tid': 2, 'ident': 2, 'holds_gil': true, " FRAMES "},"
		      "{'tid': 3, 'ident': 3, 'is_main': true, " FRAMES "}, {'tid': 4, 'ident': 4, " FRAMES "}",
		      "0 3, 1, 2");
}

Test(stack_groups, do_not_hold_who_had_the_gil_and_stands_like_others_now)
{
	expect_groups("{'tid': 1, 'ident': 1, 'wait': {'kind': 'gil'}, " FRAMES "},"
		      "{'tid': 2, 'ident': 2, 'had_gil': true, 'wait': {'kind': 'gil'}, " FRAMES "},"
		      "{'tid': 3, 'ident': 3, 'wait': {'kind': 'gil'}, " FRAMES "}",
		      "0 2, 1");
}

Test(stack_groups, are_apart_when_their_threads_do_different_things)
{
	expect_groups("{'tid': 1, 'ident': 1, 'state': 'on-cpu', " FRAMES "},"
		      "{'tid': 2, 'ident': 2, 'state': 'runnable', " FRAMES "},"
		      "{'tid': 3, 'ident': 3, 'wait': {'kind': 'gil', 'owner': 1}, " FRAMES "},"
		      "{'tid': 4, 'ident': 4, 'wait': {'kind': 'gil', 'owner': 2}, " FRAMES "},"
		      "{'tid': 5, 'ident': 5, 'wait': {'kind': 'syscall', 'syscall': 'read'}, " FRAMES "},"
		      "{'tid': 6, 'ident': 6, 'wait': {'kind': 'syscall', 'syscall': 'write'}, " FRAMES "},"
		      "{'tid': 7, 'ident': 7, 'interp': 1, 'state': 'on-cpu', " FRAMES "},"
		      "{'tid': 8, 'ident': 8, 'state': 'on-cpu', 'cpu': 5, " FRAMES "}",
		      "0 7, 1, 2, 3, 4, 5, 6");
}

Test(stack_groups, hold_threads_that_wait_for_different_locks_for_different_times)
{
	expect_groups("{'tid': 1, 'ident': 1, 'wait': {'kind': 'futex', 'ns': 5, 'address': '0x1000'}, " FRAMES "},"
		      "{'tid': 2, 'ident': 2, 'wait': {'kind': 'futex', 'ns': 9, 'address': '0x2000'}, " FRAMES "}",
		      "0 1");
}

Test(stack_groups, are_apart_when_a_local_differs)
{
#define WITH(value) "'frames': [{'func': 'f', 'file': 'x', 'line': 1, 'locals': [{'name': 'a', 'value': '" value "'}]}]"
	expect_groups("{'tid': 1, 'ident': 1, " WITH("1") "}, {'tid': 2, 'ident': 2, " WITH(
			      "2") "},"
				   "{'tid': 3, 'ident': 3, " WITH("1") "}",
		      "0 2, 1");
}

Test(stack_groups, are_of_one_where_there_is_no_stack_unless_for_the_same_reason)
{
	expect_groups("{'tid': 1, 'ident': 1}, {'tid': 2, 'ident': 2}, {'tid': 3, 'ident': 3, 'loss': 'python-loop'},"
		      "{'tid': 4, 'ident': 4, 'loss': 'python-loop'}, {'tid': 5, 'ident': 5, 'loss': 'thread-state'}",
		      "0, 1, 2 3, 4");
}

Test(stack_groups, of_thousands_of_threads_without_stacks_are_quick)
{
	STRBUF(input);

	strbuf_put(&input, "{'pid': 1, 'threads': [");
	for (int i = 0; i < 20000; i++)
		strbuf_printf(&input, "%s{'tid': %d, 'ident': %d}", i ? "," : "", i + 1, i + 1);
	strbuf_put(&input, "]}");
	_cleanup_(snapshot) struct snapshot *snapshot = snapshot_of_text(input.at);
	_cleanup_(stack_groups) struct stack_groups *groups = NULL;
	cr_assert_eq(stack_groups_new(snapshot, &groups), 0);
	cr_assert_eq(groups->cnt, 20000);
}
