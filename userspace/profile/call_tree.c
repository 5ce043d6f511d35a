/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/call_tree.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "base/strbuf.h"
#include "profile/id_index.h"
#include "profile/root.h"

struct call_tree {
	struct call_node *nodes;
	u32 cnt, capacity;
	u32 depth;
	struct string_table *texts;
	struct call_spot *spots;
	u32 spot_cnt, spot_capacity;
};

/*
 * Where a stack ends below one base node (the innermost that is no frame). Stacks share
 * their outer frames, so with this each distinct (base, stack) is walked once.
 */
struct stack_place {
	u32 base, stack, node;
	u32 outward; /* the place of what called it, PLACE_NONE: the base */
	u64 samples; /* that end here; summed up in the end, those of what it called too */
};

#define PLACE_NONE 0xffffffff

struct tree_builder {
	struct call_tree *tree;
	const struct profile *profile;
	const struct view *view;
	struct id_index children; /* (parent, text) to node */
	u32 *frame_texts; /* by frame id: text id, 0 when not yet made */
	struct stack_place *places;
	u32 place_cnt, place_capacity;
	struct id_index place_index;
	u32 *path; /* scratch: the stacks between one and the nearest known place */
	u32 path_capacity;
	struct strbuf scratch;
};

static int tree_add_node(struct call_tree *tree, const struct call_node *node, u32 *ret)
{
	struct call_node *nodes = array_room(tree->nodes, &tree->capacity, tree->cnt, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	tree->nodes = nodes;
	nodes[tree->cnt] = *node;
	if (node->depth > tree->depth)
		tree->depth = node->depth;
	*ret = tree->cnt++;
	return 0;
}

/* The child that reads so. */
static int tree_child(struct tree_builder *builder, u32 parent, enum node_kind kind, u32 frame, u32 text_id, u32 *ret)
{
	struct call_tree *tree = builder->tree;
	const char *text = string_table_at(tree->texts, text_id);
	u64 hash = id_hash(parent, text_id);
	u32 at = id_index_start(&builder->children, hash), id;

	while (id_index_next(&builder->children, hash, &at, &id)) {
		if (tree->nodes[id].parent == parent && tree->nodes[id].text == text) {
			*ret = id;
			return 0;
		}
	}

	int err = id_index_add(&builder->children, hash, tree->cnt);
	if (err)
		return err;
	struct call_node node = {
		.text = text, .frame = frame, .kind = kind, .parent = parent, .depth = tree->nodes[parent].depth + 1};
	return tree_add_node(tree, &node, ret);
}

/* What the scratch buffer says, as a level of folded text: a semicolon would make two of it. */
static int builder_text(struct tree_builder *builder, u32 *ret)
{
	if (builder->scratch.failed)
		return -ENOMEM;
	for (char *c = builder->scratch.at; (c = strchr(c, ';')); c++)
		*c = ':';
	return string_table_intern(builder->tree->texts, builder->scratch.at, ret);
}

static int builder_frame_text(struct tree_builder *builder, u32 frame, u32 *ret)
{
	const struct profile_tables *tables = profile_tables_of(builder->profile);

	if (!builder->frame_texts[frame]) {
		strbuf_clear(&builder->scratch);
		frame_put(tables, frame_table_get(tables->frames, frame), builder->view, &builder->scratch);
		int err = builder_text(builder, &builder->frame_texts[frame]);
		if (err)
			return err;
	}
	*ret = builder->frame_texts[frame];
	return 0;
}

/* The child of *node that reads as the scratch buffer, which is then empty again. */
static int builder_level(struct tree_builder *builder, enum node_kind kind, u32 *node)
{
	u32 text;
	int err = builder_text(builder, &text);

	strbuf_clear(&builder->scratch);
	return err ? err : tree_child(builder, *node, kind, 0, text, node);
}

/* The node that an origin's frames hang from: its root, or the process and thread below that. */
static int builder_base(struct tree_builder *builder, u32 origin_id, u32 *ret)
{
	const struct origin *origin = profile_origin_at(builder->profile, origin_id);
	static const enum node_kind roots[] = {[PER_PROCESS] = NODE_PROCESS,
					       [PER_CONTAINER] = NODE_PLACE,
					       [PER_THREAD] = NODE_THREAD,
					       [PER_COMM] = NODE_PROCESS};
	const struct view *view = builder->view;
	u32 node = 0;

	strbuf_clear(&builder->scratch);
	origin_put_root(builder->profile, origin, view, &builder->scratch);
	int err = builder_level(builder, roots[view->per], &node);
	if (!err && view->per == PER_CONTAINER) {
		origin_put_process(builder->profile, origin, view, &builder->scratch);
		err = builder_level(builder, NODE_PROCESS, &node);
	}
	if (!err && view->per != PER_THREAD && view->threads && origin->tid) {
		origin_put_thread(builder->profile, origin, &builder->scratch);
		err = builder_level(builder, NODE_THREAD, &node);
	}
	if (!err)
		*ret = node;
	return err;
}

static bool builder_find_place(const struct tree_builder *builder, u32 base, u32 stack, u32 *ret)
{
	u64 hash = id_hash(base, stack);
	u32 at = id_index_start(&builder->place_index, hash), id;

	while (id_index_next(&builder->place_index, hash, &at, &id)) {
		if (builder->places[id].base == base && builder->places[id].stack == stack) {
			*ret = id;
			return true;
		}
	}
	return false;
}

static int builder_add_place(struct tree_builder *builder, const struct stack_place *place)
{
	struct stack_place *places = array_room(builder->places, &builder->place_capacity, builder->place_cnt,
						sizeof(*places));
	if (!places)
		return -ENOMEM;
	builder->places = places;
	places[builder->place_cnt] = *place;
	return id_index_add(&builder->place_index, id_hash(place->base, place->stack), builder->place_cnt++);
}

static u32 builder_node(const struct tree_builder *builder, u32 base, u32 place)
{
	return place == PLACE_NONE ? base : builder->places[place].node;
}

/* One level: the place of a stack, given that of its parent. */
static int builder_step(struct tree_builder *builder, u32 base, u32 stack, u32 *place)
{
	u32 frame = stack_table_frame(profile_tables_of(builder->profile)->stacks, stack), text;
	struct stack_place inner = {.base = base, .stack = stack, .outward = *place};

	int err = builder_frame_text(builder, frame, &text);
	if (!err)
		err = tree_child(builder, builder_node(builder, base, *place), NODE_FRAME, frame, text, &inner.node);
	if (!err)
		err = builder_add_place(builder, &inner);
	if (!err)
		*place = builder->place_cnt - 1;
	return err;
}

/* The place of a whole stack: up to the nearest one that is known, and down again. */
static int builder_place(struct tree_builder *builder, u32 base, u32 stack, u32 *ret)
{
	const struct stack_table *stacks = profile_tables_of(builder->profile)->stacks;
	u32 cnt = 0, place = PLACE_NONE;

	for (; stack != STACK_ROOT && !builder_find_place(builder, base, stack, &place);
	     stack = stack_table_parent(stacks, stack)) {
		u32 *path = array_room(builder->path, &builder->path_capacity, cnt, sizeof(*path));
		if (!path)
			return -ENOMEM;
		builder->path = path;
		path[cnt++] = stack;
	}
	while (cnt) {
		int err = builder_step(builder, base, builder->path[--cnt], &place);
		if (err)
			return err;
	}
	*ret = place;
	return 0;
}

static int builder_add(struct tree_builder *builder, const struct profile_entry *entry)
{
	u32 base, place;

	int err = builder_base(builder, entry->origin, &base);
	if (!err)
		err = builder_place(builder, base, entry->stack, &place);
	if (err)
		return err;
	builder->tree->nodes[builder_node(builder, base, place)].self += entry->samples;
	if (place != PLACE_NONE)
		builder->places[place].samples += entry->samples;
	return 0;
}

/* A node is always added after its parent: one sweep from the end carries every count to the root. */
static void tree_sum(struct call_tree *tree)
{
	for (u32 i = tree->cnt; i-- > 0;) {
		tree->nodes[i].total += tree->nodes[i].self;
		if (i)
			tree->nodes[tree->nodes[i].parent].total += tree->nodes[i].total;
	}
}

static int tree_add_spot(struct call_tree *tree, const struct call_spot *spot)
{
	struct call_spot *spots = array_room(tree->spots, &tree->spot_capacity, tree->spot_cnt, sizeof(*spots));
	if (!spots)
		return -ENOMEM;
	tree->spots = spots;
	spots[tree->spot_cnt++] = *spot;
	return 0;
}

/* By node, then by expression. */
static int compare_expressions(const void *a, const void *b, void *frames)
{
	const struct call_spot *left = a, *right = b;
	const struct frame *x = frame_table_get(frames, left->frame), *y = frame_table_get(frames, right->frame);
	const u32 pairs[][2] = {{left->node, right->node},
				{x->column, y->column},
				{x->end_line, y->end_line},
				{x->end_column, y->end_column},
				{x->text, y->text}};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		if (pairs[i][0] != pairs[i][1])
			return pairs[i][0] < pairs[i][1] ? -1 : 1;
	return 0;
}

/* By node, then by samples; what has as many in the order of the text. */
static int compare_heat(const void *a, const void *b, void *frames)
{
	const struct call_spot *left = a, *right = b;

	if (left->node == right->node && left->samples != right->samples)
		return left->samples > right->samples ? -1 : 1;
	return compare_expressions(a, b, frames);
}

/* One spot for each place becomes one for each expression. */
static void tree_sort_spots(struct call_tree *tree, struct frame_table *frames)
{
	u32 cnt = 0;

	qsort_r(tree->spots, tree->spot_cnt, sizeof(*tree->spots), compare_expressions, frames);
	for (u32 i = 0; i < tree->spot_cnt; i++) {
		if (cnt && !compare_expressions(&tree->spots[cnt - 1], &tree->spots[i], frames))
			tree->spots[cnt - 1].samples += tree->spots[i].samples;
		else
			tree->spots[cnt++] = tree->spots[i];
	}
	tree->spot_cnt = cnt;
	qsort_r(tree->spots, cnt, sizeof(*tree->spots), compare_heat, frames);
	for (u32 i = cnt; i-- > 0;) {
		struct call_node *node = &tree->nodes[tree->spots[i].node];

		node->first_spot = i;
		node->spot_cnt++;
	}
}

/* The stacks below tell which of a node's samples were in which expression: the node itself has all of its line. */
static int builder_find_spots(struct tree_builder *builder)
{
	const struct profile_tables *tables = profile_tables_of(builder->profile);

	for (u32 i = builder->place_cnt; i-- > 0 && builder->view->lines;) {
		const struct stack_place *place = &builder->places[i];
		u32 frame = stack_table_frame(tables->stacks, place->stack);

		/* A place is always added after the one outward of it. */
		if (place->outward != PLACE_NONE)
			builder->places[place->outward].samples += place->samples;
		if (!frame_table_get(tables->frames, frame)->end_line)
			continue;
		int err = tree_add_spot(builder->tree, &(struct call_spot){place->node, frame, place->samples});
		if (err)
			return err;
	}
	if (builder->tree->spot_cnt)
		tree_sort_spots(builder->tree, tables->frames);
	return 0;
}

static int compare_siblings(const void *a, const void *b, void *nodes_)
{
	const struct call_node *nodes = nodes_;
	const struct call_node *left = &nodes[*(const u32 *)a], *right = &nodes[*(const u32 *)b];

	if (left->parent != right->parent)
		return left->parent < right->parent ? -1 : 1;
	return strcmp(left->text, right->text);
}

static int tree_link(struct call_tree *tree)
{
	_cleanup_(free) u32 *order = calloc(tree->cnt, sizeof(*order));
	if (!order)
		return -ENOMEM;
	for (u32 i = 0; i < tree->cnt; i++)
		order[i] = i;
	/* Without the root, which is nobody's child. */
	qsort_r(order + 1, tree->cnt - 1, sizeof(*order), compare_siblings, tree->nodes);

	for (u32 i = tree->cnt - 1; i > 0; i--) {
		struct call_node *node = &tree->nodes[order[i]], *parent = &tree->nodes[node->parent];

		node->next_sibling = parent->first_child;
		parent->first_child = order[i];
	}
	return 0;
}

static int builder_run(struct tree_builder *builder)
{
	u32 root;

	builder->frame_texts = calloc(frame_table_cnt(profile_tables_of(builder->profile)->frames) + 1,
				      sizeof(*builder->frame_texts));
	if (!builder->frame_texts)
		return -ENOMEM;

	int err = string_table_new(&builder->tree->texts);
	if (!err)
		err = tree_add_node(builder->tree, &(struct call_node){.kind = NODE_ROOT, .text = "all"}, &root);
	for (size_t i = 0; !err && i < profile_cnt(builder->profile); i++)
		err = builder_add(builder, profile_at(builder->profile, i));
	if (!err)
		err = builder_find_spots(builder);
	if (err)
		return err;
	tree_sum(builder->tree);
	return tree_link(builder->tree);
}

int call_tree_build(const struct profile *profile, const struct view *view, struct call_tree **ret)
{
	_cleanup_(call_tree) struct call_tree *tree = calloc(1, sizeof(*tree));
	if (!tree)
		return -ENOMEM;

	struct tree_builder builder = {.tree = tree, .profile = profile, .view = view, .scratch = {.at = (char *)""}};
	int err = builder_run(&builder);

	id_index_deinit(&builder.children);
	id_index_deinit(&builder.place_index);
	strbuf_deinit(&builder.scratch);
	free(builder.frame_texts);
	free(builder.places);
	free(builder.path);
	if (err)
		return err;
	*ret = take(tree);
	return 0;
}

void call_tree_free(struct call_tree *tree)
{
	if (!tree)
		return;
	string_table_free(tree->texts);
	free(tree->spots);
	free(tree->nodes);
	free(tree);
}

u32 call_tree_cnt(const struct call_tree *tree)
{
	return tree->cnt;
}

const struct call_node *call_tree_at(const struct call_tree *tree, u32 i)
{
	return &tree->nodes[i];
}

bool call_tree_has_spots(const struct call_tree *tree)
{
	return tree->spot_cnt;
}

const struct call_spot *call_tree_spot(const struct call_tree *tree, u32 node, u32 i)
{
	return &tree->spots[tree->nodes[node].first_spot + i];
}

u32 call_tree_depth(const struct call_tree *tree)
{
	return tree->depth;
}
