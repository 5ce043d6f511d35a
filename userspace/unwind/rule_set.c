/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "unwind/rule_set.h"

#include <string.h>

/* The table is a quarter full at most: honest rules are found within a few. */
#define MAX_PROBES 64

void rule_set_init(struct rule_set *set)
{
	memset(set, 0, sizeof(*set));
	rule_set_get(set, (struct unwind_rule){.cfa = UNWIND_NONE});
	rule_set_get(set, (struct unwind_rule){.cfa = UNWIND_UNSUPPORTED});
}

static u64 rule_bits(struct unwind_rule rule)
{
	u64 bits;

	memcpy(&bits, &rule, sizeof(bits));
	return bits;
}

u16 rule_set_get(struct rule_set *set, struct unwind_rule rule)
{
	u64 bits = rule_bits(rule);
	u32 slot = (u32)(bits * 0x9e3779b97f4a7c15ull >> 40) % RULE_SLOT_CNT;

	/* A file that was made so that its rules collide must not cost more than others. */
	for (u32 probes = 0; set->slots[slot]; slot = (slot + 1) % RULE_SLOT_CNT) {
		u16 number = set->slots[slot] - 1;

		if (rule_bits(set->rules[number]) == bits)
			return number;
		if (++probes == MAX_PROBES)
			return RULE_UNSUPPORTED;
	}
	if (set->cnt == MAX_RULES_IN_SET)
		return RULE_UNSUPPORTED;
	set->rules[set->cnt] = rule;
	set->slots[slot] = (u16)++set->cnt;
	return (u16)(set->cnt - 1);
}
