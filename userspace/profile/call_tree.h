/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * call_tree.h - a profile as a tree from its roots (view.h) to the leaves, for pictures: children
 * that read the same are one node, whatever their addresses.
 */
#ifndef PYPROF_CALL_TREE_H
#define PYPROF_CALL_TREE_H

#include "profile/profile.h"

enum node_kind { NODE_ROOT, NODE_PLACE, NODE_PROCESS, NODE_THREAD, NODE_FRAME };

struct call_node {
	const char *text; /* as folded has it; owned by the tree */
	u32 frame; /* a frame id, of NODE_FRAME: one of those that read so */
	u8 kind;
	u64 self, total; /* samples */
	u32 parent; /* index; the root is 0 and its own parent */
	u32 depth; /* the root's is 0 */
	u32 first_child, next_sibling; /* index, 0: none; siblings sorted by text */
	u32 first_spot, spot_cnt; /* see call_tree_spot */
};

/* An expression of a node's line (frame_table.h), and the node's samples that were in it or in what it called. */
struct call_spot {
	u32 node;
	u32 frame; /* a frame id: one of those that have this expression */
	u64 samples;
};

struct call_tree;

int call_tree_build(const struct profile *profile, const struct view *view, struct call_tree **ret);
void call_tree_free(struct call_tree *tree);
DEFINE_CLEANUP(call_tree, struct call_tree *, call_tree_free)

u32 call_tree_cnt(const struct call_tree *tree);
const struct call_node *call_tree_at(const struct call_tree *tree, u32 i);
/* Of a node, i below its spot_cnt: the hottest first. None where lines are not in the view, or columns not known. */
bool call_tree_has_spots(const struct call_tree *tree);
const struct call_spot *call_tree_spot(const struct call_tree *tree, u32 node, u32 i);
u32 call_tree_depth(const struct call_tree *tree); /* of the deepest node */

#endif
