/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Trees are told as lines: depth times '.', the task's name, '*' when it has its own row elsewhere. */
#include "report/task_tree.h"

#include <criterion/criterion.h>
#include <string.h>

#define TASKS_MAX 64

/* Tasks are named by letters; their addresses are these letters. */
static void tree_expect(const struct dump_task *tasks, size_t cnt, const char *expected)
{
	_cleanup_(free) struct task_row *rows = NULL;
	size_t row_cnt;
	STRBUF(told);

	cr_assert(!task_tree_order(tasks, cnt, &rows, &row_cnt));
	for (size_t i = 0; i < row_cnt; i++) {
		for (u32 depth = 0; depth < rows[i].depth; depth++)
			strbuf_put_char(&told, '.');
		strbuf_printf(&told, "%s%s\n", tasks[rows[i].task].name, rows[i].again ? "*" : "");
	}
	cr_expect_str_eq(told.at, expected);
}

static struct dump_task task_of(const char *name, const u64 *awaited_by, size_t cnt)
{
	return (struct dump_task){.address = name[0], .name = name, .awaited_by = awaited_by, .awaited_by_cnt = cnt};
}

Test(task_tree, no_tasks_make_no_rows)
{
	tree_expect(NULL, 0, "");
}

Test(task_tree, those_that_await_stand_above_those_they_await)
{
	u64 by_a[] = {'a'}, by_b[] = {'b'};
	struct dump_task tasks[] = {task_of("c", by_b, 1), task_of("b", by_a, 1), task_of("a", NULL, 0),
				    task_of("d", by_a, 1)};

	tree_expect(tasks, 4, "a\n.b\n..c\n.d\n");
}

Test(task_tree, a_task_that_two_await_has_one_row_of_its_own)
{
	u64 by_a[] = {'a'}, by_both[] = {'a', 'b'}, by_c[] = {'c'};
	struct dump_task tasks[] = {task_of("a", NULL, 0), task_of("b", by_a, 1), task_of("c", by_both, 2),
				    task_of("d", by_c, 1)};

	tree_expect(tasks, 4, "a\n.b\n..c\n...d\n.c*\n");
}

Test(task_tree, a_ring_is_entered_once)
{
	u64 by_a[] = {'a'}, by_b[] = {'b'}, by_c[] = {'c'};
	struct dump_task tasks[] = {task_of("a", by_c, 1), task_of("b", by_a, 1), task_of("c", by_b, 1),
				    task_of("d", NULL, 0)};

	tree_expect(tasks, 4, "d\na\n.b\n..c\n...a*\n");
}

Test(task_tree, a_ring_is_told_with_its_loop)
{
	u64 by_a[] = {'a'}, by_b[] = {'b'};
	struct dump_task tasks[] = {task_of("a", by_b, 1), task_of("b", by_a, 1), task_of("c", NULL, 0),
				    task_of("d", NULL, 0)};

	tasks[3].loop_ident = 1;
	tree_expect(tasks, 4, "c\na\n.b\n..a*\nd\n");
}

Test(task_tree, a_task_that_awaits_itself_is_a_root)
{
	u64 by_a[] = {'a'};
	struct dump_task tasks[] = {task_of("a", by_a, 1)};

	tree_expect(tasks, 1, "a\n.a*\n");
}

Test(task_tree, unknown_tasks_await_nobody)
{
	u64 by_none[] = {0, 'z', ~0ull};
	struct dump_task tasks[] = {task_of("a", by_none, 3)};

	tree_expect(tasks, 1, "a\n");
}

Test(task_tree, names_are_in_the_order_people_count)
{
	struct dump_task tasks[] = {{.address = 1, .name = "Task-10"},
				    {.address = 2, .name = "Task-9"},
				    {.address = 3, .name = "Task-1"},
				    {.address = 4, .name = "Task-9"},
				    {.address = 5, .name = "Task-1", .loop_ident = 1}};

	tree_expect(tasks, 5, "Task-1\nTask-9\nTask-9\nTask-10\nTask-1\n");
}

Test(task_tree, a_chain_of_100000_tasks_is_told_to_its_end)
{
	enum { CNT = 100000 };
	_cleanup_(free) struct dump_task *tasks = calloc(CNT, sizeof(*tasks));
	_cleanup_(free) u64 *by = calloc(CNT, sizeof(*by));
	_cleanup_(free) struct task_row *rows = NULL;
	size_t row_cnt;
	STRBUF(indent);

	cr_assert(tasks && by);
	for (size_t i = 0; i < CNT; i++) {
		by[i] = i; /* the one before; address 0 is no task */
		tasks[i] = (struct dump_task){.address = i + 1, .name = "", .awaited_by = &by[i], .awaited_by_cnt = 1};
	}
	cr_assert(!task_tree_order(tasks, CNT, &rows, &row_cnt));
	cr_assert_eq(row_cnt, CNT);
	for (size_t i = 0; i < CNT; i++)
		cr_assert(rows[i].task == i && rows[i].depth == i);
	task_tree_indent(rows, CNT - 1, &indent);
	cr_expect_lt(indent.size, 400, "%zu bytes", indent.size);
}

/* As people see it: each task with one frame below. */
Test(task_tree, lines_lead_from_each_task_to_those_it_awaits)
{
	u64 by_a[] = {'a'}, by_b[] = {'b'};
	struct dump_task tasks[] = {task_of("a", NULL, 0), task_of("b", by_a, 1), task_of("c", by_b, 1),
				    task_of("d", by_a, 1)};
	_cleanup_(free) struct task_row *rows = NULL;
	size_t row_cnt;
	STRBUF(told);

	cr_assert(!task_tree_order(tasks, 4, &rows, &row_cnt));
	for (size_t i = 0; i < row_cnt; i++) {
		bool has_children = i + 1 < row_cnt && rows[i + 1].parent == i;

		task_tree_indent(rows, i, &told);
		strbuf_printf(&told, "%s\n", tasks[rows[i].task].name);
		task_tree_indent_more(rows, i, has_children, &told);
		strbuf_put(&told, "f\n");
	}
	cr_expect_str_eq(told.at, "a\n"
				  "\u2502   f\n"
				  "\u251c\u2500\u2500 b\n"
				  "\u2502   \u2502   f\n"
				  "\u2502   \u2514\u2500\u2500 c\n"
				  "\u2502           f\n"
				  "\u2514\u2500\u2500 d\n"
				  "        f\n");
}
