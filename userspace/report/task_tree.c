/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "report/task_tree.h"

#include <errno.h>
#include <string.h>

#define DEPTH_SHOWN 32 /* levels that are drawn; what is deeper keeps that indentation */

/* "child is awaited by parent", sorted by parent, then as siblings are shown. */
struct edge {
	size_t parent, child; /* places in `sorted` */
};

struct growth {
	const struct dump_task *tasks;
	size_t *sorted; /* indices of tasks, as siblings are shown */
	size_t *by_address; /* places in `sorted`, by the tasks' addresses */
	size_t task_cnt;
	struct edge *edges;
	size_t *first_edge; /* of each place; one more at the end */
	size_t edge_cnt;
	bool *awaited, *shown;
	struct task_row *rows;
	size_t row_cnt;
};

static void growth_free(struct growth *growth)
{
	free(growth->sorted);
	free(growth->by_address);
	free(growth->edges);
	free(growth->first_edge);
	free(growth->awaited);
	free(growth->shown);
	free(growth->rows);
	free(growth);
}
DEFINE_CLEANUP(growth, struct growth *, growth_free)

static int number_compare(u64 a, u64 b)
{
	return a < b ? -1 : a > b;
}

static int sibling_compare(const void *a, const void *b, void *tasks)
{
	const struct dump_task *x = (const struct dump_task *)tasks + *(const size_t *)a;
	const struct dump_task *y = (const struct dump_task *)tasks + *(const size_t *)b;
	int order = number_compare(x->interpreter, y->interpreter);

	if (!order)
		order = number_compare(x->loop_ident, y->loop_ident);
	if (!order)
		order = strverscmp(x->name, y->name);
	return order ? order : number_compare(x->address, y->address);
}

static u64 address_at(const struct growth *growth, size_t place)
{
	return growth->tasks[growth->sorted[place]].address;
}

static int address_compare(const void *a, const void *b, void *growth)
{
	return number_compare(address_at(growth, *(const size_t *)a), address_at(growth, *(const size_t *)b));
}

static int edge_compare(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;
	int order = number_compare(x->parent, y->parent);

	return order ? order : number_compare(x->child, y->child);
}

/* The place of the task at an address; task_cnt: there is none. */
static size_t place_find(const struct growth *growth, u64 address)
{
	size_t low = 0, high = growth->task_cnt;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (address_at(growth, growth->by_address[middle]) < address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == growth->task_cnt || address_at(growth, growth->by_address[low]) != address)
		return growth->task_cnt;
	return growth->by_address[low];
}

static void edges_collect(struct growth *growth)
{
	for (size_t child = 0; child < growth->task_cnt; child++) {
		const struct dump_task *task = &growth->tasks[growth->sorted[child]];

		for (size_t i = 0; i < task->awaited_by_cnt; i++) {
			size_t parent = place_find(growth, task->awaited_by[i]);

			if (parent == growth->task_cnt)
				continue;
			growth->edges[growth->edge_cnt++] = (struct edge){parent, child};
			growth->awaited[child] = true;
		}
	}
	qsort(growth->edges, growth->edge_cnt, sizeof(*growth->edges), edge_compare);

	size_t edge = 0;
	for (size_t place = 0; place <= growth->task_cnt; place++) {
		while (edge < growth->edge_cnt && growth->edges[edge].parent < place)
			edge++;
		growth->first_edge[place] = edge;
	}
}

static int growth_new(const struct dump_task *tasks, size_t task_cnt, struct growth **ret)
{
	size_t edge_cnt = 0;
	for (size_t i = 0; i < task_cnt; i++)
		edge_cnt += tasks[i].awaited_by_cnt;
	_cleanup_(growth) struct growth *growth = calloc(1, sizeof(*growth));
	if (!growth)
		return -ENOMEM;
	growth->tasks = tasks;
	growth->task_cnt = task_cnt;
	growth->sorted = calloc(task_cnt + 1, sizeof(*growth->sorted));
	growth->by_address = calloc(task_cnt + 1, sizeof(*growth->by_address));
	growth->edges = calloc(edge_cnt + 1, sizeof(*growth->edges));
	growth->first_edge = calloc(task_cnt + 1, sizeof(*growth->first_edge));
	growth->awaited = calloc(task_cnt + 1, sizeof(*growth->awaited));
	growth->shown = calloc(task_cnt + 1, sizeof(*growth->shown));
	growth->rows = calloc(task_cnt + edge_cnt + 1, sizeof(*growth->rows));
	if (!growth->sorted || !growth->by_address || !growth->edges || !growth->first_edge || !growth->awaited ||
	    !growth->shown || !growth->rows)
		return -ENOMEM;
	for (size_t i = 0; i < task_cnt; i++)
		growth->sorted[i] = growth->by_address[i] = i;
	qsort_r(growth->sorted, task_cnt, sizeof(*growth->sorted), sibling_compare, (void *)tasks);
	qsort_r(growth->by_address, task_cnt, sizeof(*growth->by_address), address_compare, growth);
	*ret = take(growth);
	return 0;
}

/* Returns the row's index. */
static size_t row_add(struct growth *growth, size_t place, size_t parent, bool is_last)
{
	growth->rows[growth->row_cnt] = (struct task_row){
		.task = growth->sorted[place],
		.parent = parent,
		.depth = parent == TASK_TREE_ROOT ? 0 : growth->rows[parent].depth + 1,
		.is_last = is_last,
		.again = growth->shown[place],
	};
	growth->shown[place] = true;
	return growth->row_cnt++;
}

/* A place on the way from the root to where we are, and how far its children are told. */
struct step {
	size_t place, row, edge;
};

/* Chains of a hundred thousand tasks exist: so no recursion. path has room for every place. */
static void tree_add(struct growth *growth, size_t root, struct step *path)
{
	size_t length = 0;

	path[length++] = (struct step){root, row_add(growth, root, TASK_TREE_ROOT, false), growth->first_edge[root]};
	while (length) {
		struct step *step = &path[length - 1];
		size_t end = growth->first_edge[step->place + 1];

		if (step->edge == end) {
			length--;
			continue;
		}
		size_t child = growth->edges[step->edge++].child;
		bool is_new = !growth->shown[child];
		size_t row = row_add(growth, child, step->row, step->edge == end);
		if (is_new)
			path[length++] = (struct step){child, row, growth->first_edge[child]};
	}
}

/* The place after the last task of the same event loop. */
static size_t loop_end(const struct growth *growth, size_t place)
{
	const struct dump_task *first = &growth->tasks[growth->sorted[place]];

	while (place < growth->task_cnt) {
		const struct dump_task *task = &growth->tasks[growth->sorted[place]];

		if (task->interpreter != first->interpreter || task->loop_ident != first->loop_ident)
			break;
		place++;
	}
	return place;
}

int task_tree_order(const struct dump_task *tasks, size_t task_cnt, struct task_row **ret, size_t *ret_cnt)
{
	_cleanup_(growth) struct growth *growth = NULL;
	int err = growth_new(tasks, task_cnt, &growth);
	_cleanup_(free) struct step *path = calloc(task_cnt + 1, sizeof(*path));
	if (err || !path)
		return -ENOMEM;

	edges_collect(growth);
	for (size_t first = 0, end; first < task_cnt; first = end) {
		end = loop_end(growth, first);
		for (size_t place = first; place < end; place++)
			if (!growth->awaited[place])
				tree_add(growth, place, path);
		/* What is left awaits itself: the first of each ring stands for a root. */
		for (size_t place = first; place < end; place++)
			if (!growth->shown[place])
				tree_add(growth, place, path);
	}
	*ret_cnt = growth->row_cnt;
	*ret = take(growth->rows);
	return 0;
}

static void lines_put(const struct task_row *rows, size_t row, struct strbuf *b)
{
	size_t above[DEPTH_SHOWN];
	size_t cnt = 0;

	for (size_t at = rows[row].parent; at != TASK_TREE_ROOT && rows[at].depth; at = rows[at].parent)
		if (rows[at].depth < DEPTH_SHOWN)
			above[cnt++] = at;
	while (cnt)
		strbuf_put(b, rows[above[--cnt]].is_last ? "    " : "\u2502   ");
}

void task_tree_indent(const struct task_row *rows, size_t row, struct strbuf *b)
{
	if (!rows[row].depth)
		return;
	lines_put(rows, row, b);
	strbuf_put(b, rows[row].is_last ? "\u2514\u2500\u2500 " : "\u251c\u2500\u2500 ");
}

void task_tree_indent_more(const struct task_row *rows, size_t row, bool has_children, struct strbuf *b)
{
	if (rows[row].depth) {
		lines_put(rows, row, b);
		strbuf_put(b, rows[row].is_last ? "    " : "\u2502   ");
	}
	strbuf_put(b, has_children ? "\u2502   " : "    ");
}
