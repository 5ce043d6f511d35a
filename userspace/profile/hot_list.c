/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/hot_list.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "profile/id_index.h"
#include "profile/partition.h"
#include "profile/root.h"

/*
 * Counting goes by cells, one per (process, frame), and by rows, one per (process,
 * function): a cell knows its row, so that a stack level costs one look-up. The
 * leaf of a stack is its innermost frame, and for Python frames the innermost
 * Python one: what a person can change when C code runs on its behalf.
 */
struct hot_cell {
	u32 process, frame, row;
	u32 entry; /* the last profile entry that was counted, plus 1: recursion counts once */
	u64 leaf, total;
};

struct hot_builder {
	const struct profile *profile;
	const struct view *view;
	struct hot_process *processes;
	struct origin_root *roots; /* of the processes */
	u32 root_capacity;
	u32 process_cnt, process_capacity;
	struct id_index process_index; /* by root */
	struct hot_cell *cells;
	u32 cell_cnt, cell_capacity;
	struct id_index cell_index;
	struct hot_row *rows; /* `origin` is an index in processes while counting */
	u32 row_cnt, row_capacity;
	struct id_index row_index;
	u32 *row_entries; /* like hot_cell.entry */
	u64 *row_leaves;
};

static const struct frame *builder_frame(const struct hot_builder *builder, u32 frame)
{
	return frame_table_get(profile_tables_of(builder->profile)->frames, frame);
}

static int builder_process(struct hot_builder *builder, u32 origin_id, u32 *ret)
{
	struct origin_root root;

	origin_root_of(profile_tables_of(builder->profile), profile_origin_at(builder->profile, origin_id),
		       builder->view, &root);
	u64 hash = origin_root_hash(&root);
	u32 at = id_index_start(&builder->process_index, hash), id;

	while (id_index_next(&builder->process_index, hash, &at, &id)) {
		if (origin_root_same(&builder->roots[id], &root)) {
			*ret = id;
			return 0;
		}
	}

	struct origin_root *roots = array_room(builder->roots, &builder->root_capacity, builder->process_cnt,
					       sizeof(*roots));
	if (!roots)
		return -ENOMEM;
	builder->roots = roots;
	roots[builder->process_cnt] = root;
	struct hot_process *processes = array_room(builder->processes, &builder->process_capacity, builder->process_cnt,
						   sizeof(*processes));
	if (!processes)
		return -ENOMEM;
	builder->processes = processes;
	int err = id_index_add(&builder->process_index, hash, builder->process_cnt);
	if (err)
		return err;
	processes[builder->process_cnt] = (struct hot_process){.origin = origin_id, .hottest = HOT_NO_FRAME};
	*ret = builder->process_cnt++;
	return 0;
}

/* Frames of one function, whatever their line. What has no name is its address. */
static bool frame_same_function(const struct frame *a, const struct frame *b)
{
	if (a->kind != b->kind || a->loss != b->loss || a->named != b->named)
		return false;
	return a->named ? a->function == b->function && a->file == b->file
			: a->scope == b->scope && a->address == b->address;
}

static u64 function_hash(const struct frame *frame, u32 process)
{
	u64 what = frame->named ? (u64)frame->function << 32 | frame->file : frame->address;

	return id_hash(what, (u64)process << 16 | (u64)frame->loss << 8 | frame->kind);
}

/* Three arrays that grow together. */
static int builder_row_room(struct hot_builder *builder)
{
	u32 capacity = builder->row_capacity, same = capacity, again = capacity;

	struct hot_row *rows = array_room(builder->rows, &capacity, builder->row_cnt, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	builder->rows = rows;
	u32 *entries = array_room(builder->row_entries, &same, builder->row_cnt, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	builder->row_entries = entries;
	u64 *leaves = array_room(builder->row_leaves, &again, builder->row_cnt, sizeof(*leaves));
	if (!leaves)
		return -ENOMEM;
	builder->row_leaves = leaves;
	builder->row_capacity = capacity;
	return 0;
}

static int builder_row(struct hot_builder *builder, u32 process, u32 frame_id, u32 *ret)
{
	const struct frame *frame = builder_frame(builder, frame_id);
	u64 hash = function_hash(frame, process);
	u32 at = id_index_start(&builder->row_index, hash), id;

	while (id_index_next(&builder->row_index, hash, &at, &id)) {
		const struct hot_row *row = &builder->rows[id];

		if (row->origin == process && frame_same_function(builder_frame(builder, row->frame), frame)) {
			*ret = id;
			return 0;
		}
	}

	int err = builder_row_room(builder);
	if (!err)
		err = id_index_add(&builder->row_index, hash, builder->row_cnt);
	if (err)
		return err;
	builder->rows[builder->row_cnt] = (struct hot_row){.frame = frame_id, .origin = process};
	builder->row_entries[builder->row_cnt] = 0;
	builder->row_leaves[builder->row_cnt] = 0;
	*ret = builder->row_cnt++;
	return 0;
}

static int builder_cell(struct hot_builder *builder, u32 process, u32 frame, u32 *ret)
{
	u64 hash = id_hash(process, frame);
	u32 at = id_index_start(&builder->cell_index, hash), id, row;

	while (id_index_next(&builder->cell_index, hash, &at, &id)) {
		if (builder->cells[id].process == process && builder->cells[id].frame == frame) {
			*ret = id;
			return 0;
		}
	}

	struct hot_cell *cells = array_room(builder->cells, &builder->cell_capacity, builder->cell_cnt, sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	builder->cells = cells;
	int err = builder_row(builder, process, frame, &row);
	if (!err)
		err = id_index_add(&builder->cell_index, hash, builder->cell_cnt);
	if (err)
		return err;
	cells[builder->cell_cnt] = (struct hot_cell){.process = process, .frame = frame, .row = row};
	*ret = builder->cell_cnt++;
	return 0;
}

/* Stamp: the entry's number plus 1. */
static int builder_add(struct hot_builder *builder, const struct profile_entry *entry, u32 stamp)
{
	const struct stack_table *stacks = profile_tables_of(builder->profile)->stacks;
	bool python_seen = false;
	u32 process, cell_id;

	int err = builder_process(builder, entry->origin, &process);
	if (err)
		return err;
	builder->processes[process].samples += entry->samples;

	for (u32 stack = entry->stack; stack != STACK_ROOT; stack = stack_table_parent(stacks, stack)) {
		err = builder_cell(builder, process, stack_table_frame(stacks, stack), &cell_id);
		if (err)
			return err;

		struct hot_cell *cell = &builder->cells[cell_id];
		struct hot_row *row = &builder->rows[cell->row];
		bool innermost = stack == entry->stack;
		bool python = builder_frame(builder, cell->frame)->kind == FRAME_PYTHON;

		if (innermost)
			row->self += entry->samples;
		if (python ? !python_seen : innermost) {
			cell->leaf += entry->samples;
			builder->row_leaves[cell->row] += entry->samples;
		}
		python_seen |= python;
		if (cell->entry != stamp)
			cell->total += entry->samples;
		cell->entry = stamp;
		if (builder->row_entries[cell->row] != stamp)
			row->total += entry->samples;
		builder->row_entries[cell->row] = stamp;
	}
	return 0;
}

/* The hottest line stands for its function. */
static int builder_pick_lines(struct hot_builder *builder)
{
	_cleanup_(free) u32 *best = calloc(builder->row_cnt + 1, sizeof(*best)); /* cell plus 1 */
	if (!best)
		return -ENOMEM;

	for (u32 i = 0; i < builder->cell_cnt; i++) {
		const struct hot_cell *cell = &builder->cells[i];
		const struct hot_cell *known = best[cell->row] ? &builder->cells[best[cell->row] - 1] : NULL;

		if (!known || cell->leaf > known->leaf || (cell->leaf == known->leaf && cell->total > known->total)) {
			best[cell->row] = i + 1;
			builder->rows[cell->row].frame = cell->frame;
		}
	}
	return 0;
}

static int builder_pick_hottest(struct hot_builder *builder)
{
	_cleanup_(free) u32 *best = calloc(builder->process_cnt + 1, sizeof(*best)); /* row plus 1 */
	if (!best)
		return -ENOMEM;

	for (u32 i = 0; i < builder->row_cnt; i++) {
		u32 process = builder->rows[i].origin, known = best[process];
		bool python = builder_frame(builder, builder->rows[i].frame)->kind == FRAME_PYTHON;
		bool known_python = known &&
				    builder_frame(builder, builder->rows[known - 1].frame)->kind == FRAME_PYTHON;

		if (!builder->row_leaves[i])
			continue;
		if (!known || python > known_python ||
		    (python == known_python && builder->row_leaves[i] > builder->row_leaves[known - 1])) {
			best[process] = i + 1;
			builder->processes[process].hottest = builder->rows[i].frame;
		}
	}
	return 0;
}

struct hot_order {
	const struct profile *profile;
	const struct view *view;
	enum hot_sort sort;
};

static int compare_numbers(u64 more, u64 less)
{
	return more > less ? -1 : more < less;
}

/* As a person reads them; a number as a number. */
static int compare_origins(const struct hot_order *order, u32 a, u32 b)
{
	const struct profile_tables *tables = profile_tables_of(order->profile);
	const struct origin *left = profile_origin_at(order->profile, a), *right = profile_origin_at(order->profile, b);
	int by = 0;

	if (order->view->per == PER_CONTAINER)
		by = strcmp(origin_place_name(tables, left), origin_place_name(tables, right));
	if (!by)
		by = strcmp(string_table_at(tables->strings, left->comm),
			    string_table_at(tables->strings, right->comm));
	if (!by)
		by = compare_numbers(right->pid, left->pid);
	return by ? by : compare_numbers(right->tid, left->tid);
}

/* Losses have no function; they come first, in the order of their list. */
static int compare_functions(const struct profile *profile, u32 a, u32 b)
{
	const struct profile_tables *tables = profile_tables_of(profile);
	const struct frame *left = frame_table_get(tables->frames, a), *right = frame_table_get(tables->frames, b);
	int order = strcmp(string_table_at(tables->strings, left->function),
			   string_table_at(tables->strings, right->function));

	if (!order)
		order = strcmp(string_table_at(tables->strings, left->file),
			       string_table_at(tables->strings, right->file));
	return order ? order : compare_numbers(right->loss, left->loss);
}

/* What was asked for first, then all else: rows must not dance from one screen to the next. */
static int compare_rows(const void *a_, const void *b_, void *order_)
{
	const struct hot_row *a = a_, *b = b_;
	const struct hot_order *order = order_;
	int by[HOT_SORT_CNT] = {
		[HOT_SORT_SELF] = compare_numbers(a->self, b->self),
		[HOT_SORT_TOTAL] = compare_numbers(a->total, b->total),
		[HOT_SORT_FUNCTION] = compare_functions(order->profile, a->frame, b->frame),
		[HOT_SORT_PROCESS] = compare_origins(order, a->origin, b->origin),
	};

	if (by[order->sort])
		return by[order->sort];
	for (int i = 0; i < HOT_SORT_CNT; i++)
		if (by[i])
			return by[i];
	return compare_numbers(b->frame, a->frame);
}

static int compare_processes(const void *a_, const void *b_, void *order_)
{
	const struct hot_process *a = a_, *b = b_;
	int by = compare_numbers(a->samples, b->samples);

	return by ? by : compare_origins(order_, a->origin, b->origin);
}

static int builder_run(struct hot_builder *builder)
{
	int err = 0;

	for (size_t i = 0; !err && i < profile_cnt(builder->profile); i++)
		err = builder_add(builder, profile_at(builder->profile, i), (u32)i + 1);
	if (!err)
		err = builder_pick_lines(builder);
	if (!err)
		err = builder_pick_hottest(builder);
	return err;
}

static void builder_finish(struct hot_builder *builder, enum hot_sort sort, struct hot_list *ret)
{
	struct hot_order order = {.profile = builder->profile, .view = builder->view, .sort = sort};

	for (u32 i = 0; i < builder->row_cnt; i++)
		builder->rows[i].origin = builder->processes[builder->rows[i].origin].origin;
	if (builder->row_cnt)
		qsort_r(builder->rows, builder->row_cnt, sizeof(*builder->rows), compare_rows, &order);
	if (builder->process_cnt)
		qsort_r(builder->processes, builder->process_cnt, sizeof(*builder->processes), compare_processes,
			&order);
	*ret = (struct hot_list){
		.samples = profile_samples(builder->profile),
		.cnt = builder->row_cnt,
		.rows = take(builder->rows),
		.process_cnt = builder->process_cnt,
		.processes = take(builder->processes),
	};
}

int hot_list_build(const struct profile *profile, const struct view *view, enum hot_sort sort, struct hot_list *ret)
{
	struct hot_builder builder = {.profile = profile, .view = view};
	int err = builder_run(&builder);

	if (!err)
		builder_finish(&builder, sort, ret);
	id_index_deinit(&builder.process_index);
	id_index_deinit(&builder.cell_index);
	id_index_deinit(&builder.row_index);
	free(builder.processes);
	free(builder.roots);
	free(builder.cells);
	free(builder.rows);
	free(builder.row_entries);
	free(builder.row_leaves);
	return err;
}

void hot_list_deinit(struct hot_list *list)
{
	free(list->rows);
	free(list->processes);
	*list = (struct hot_list){0};
}
