/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* rule_set.h - the rules of one file, each once, numbered in the order in which they came. */
#ifndef PYPROF_RULE_SET_H
#define PYPROF_RULE_SET_H

#include "pyprof/unwind.h"

#define MAX_RULES_IN_SET 4096 /* most files have 300 to 600 */
#define RULE_SLOT_CNT	 (4 * MAX_RULES_IN_SET)
#define RULE_NONE	 0 /* UNWIND_NONE */
#define RULE_UNSUPPORTED 1 /* UNWIND_UNSUPPORTED */

struct rule_set {
	u32 cnt;
	struct unwind_rule rules[MAX_RULES_IN_SET];
	u16 slots[RULE_SLOT_CNT]; /* number plus 1; 0: free. Linear probing */
};

/* Fills in the two that every set has. */
void rule_set_init(struct rule_set *set);

/* The number of an equal rule. RULE_UNSUPPORTED when the set is full. */
u16 rule_set_get(struct rule_set *set, struct unwind_rule rule);

#endif
