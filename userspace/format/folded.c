/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "base/strbuf.h"
#include "format/format.h"
#include "format/output.h"
#include "profile/call_tree.h"

/*
 * What is still to be written: the line that ends at a node, or all lines that
 * lead further. They are two, because other lines can sort between them: "a",
 * "a b" and "a;c" come in this order, as a space is less than a semicolon.
 */
struct fold {
	u32 node;
	bool deeper; /* else the line of its self samples */
	size_t path_size; /* of what stands before its text */
};

struct fold_stack {
	const struct call_tree *tree;
	struct fold *at;
	u32 cnt, capacity;
};

static int fold_push(struct fold_stack *stack, struct fold fold)
{
	struct fold *at = array_room(stack->at, &stack->capacity, stack->cnt, sizeof(*at));
	if (!at)
		return -ENOMEM;
	stack->at = at;
	at[stack->cnt++] = fold;
	return 0;
}

/* The byte of a line at i, counted from the node's text on; the line's end is less than any. */
static int fold_byte(const struct fold *fold, const char *text, size_t i)
{
	if (text[i])
		return (unsigned char)text[i];
	return fold->deeper ? ';' : -1;
}

/* Backwards, because the last that was pushed is written first. */
static int compare_folds(const void *a, const void *b, void *tree)
{
	const struct fold *left = a, *right = b;
	const char *left_text = call_tree_at(tree, left->node)->text,
		   *right_text = call_tree_at(tree, right->node)->text;
	size_t i = 0;

	while (left_text[i] && left_text[i] == right_text[i])
		i++;
	return fold_byte(right, right_text, i) - fold_byte(left, left_text, i);
}

static int fold_push_children(struct fold_stack *stack, u32 parent, size_t path_size)
{
	u32 first = stack->cnt;

	for (u32 i = call_tree_at(stack->tree, parent)->first_child; i;
	     i = call_tree_at(stack->tree, i)->next_sibling) {
		const struct call_node *node = call_tree_at(stack->tree, i);
		int err = 0;

		if (node->self)
			err = fold_push(stack, (struct fold){.node = i, .path_size = path_size});
		if (!err && node->first_child)
			err = fold_push(stack, (struct fold){.node = i, .deeper = true, .path_size = path_size});
		if (err)
			return err;
	}
	if (stack->cnt > first)
		qsort_r(stack->at + first, stack->cnt - first, sizeof(*stack->at), compare_folds, (void *)stack->tree);
	return 0;
}

static void path_cut(struct strbuf *path, size_t size)
{
	if (!path->capacity)
		return;
	path->size = size;
	path->at[size] = 0;
}

static int fold_next(struct fold_stack *stack, struct strbuf *path, FILE *out)
{
	struct fold fold = stack->at[--stack->cnt];
	const struct call_node *node = call_tree_at(stack->tree, fold.node);

	path_cut(path, fold.path_size);
	strbuf_put(path, node->text);
	if (fold.deeper)
		strbuf_put_char(path, ';');
	else
		strbuf_printf(path, " %llu\n", node->self);
	if (path->failed)
		return -ENOMEM;
	return fold.deeper ? fold_push_children(stack, fold.node, path->size) : output_put(out, path->at, path->size);
}

int folded_write(const struct profile *profile, const struct truth *truth, const struct view *view, FILE *out)
{
	_cleanup_(call_tree) struct call_tree *tree = NULL;
	STRBUF(path);

	int err = call_tree_build(profile, view, &tree);
	if (err)
		return err;

	struct fold_stack stack = {.tree = tree};
	err = fold_push_children(&stack, 0, 0);
	while (!err && stack.cnt)
		err = fold_next(&stack, &path, out);
	free(stack.at);
	return err ? err : output_flush(out);
}
