/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_mapping.c - any bytes as /proc/PID/maps, then one more mapping in the midst. */
#include <stdint.h>
#include <string.h>

#include "process/mapping.h"

static void check(struct mapping_table *table)
{
	u64 end = 0;

	for (size_t i = 0; i < mapping_table_cnt(table); i++) {
		const struct mapping *mapping = mapping_table_at(table, i);

		if (mapping->start < end || mapping->start >= mapping->end ||
		    mapping_table_find(table, mapping->start) != mapping ||
		    mapping_table_find(table, mapping->end - 1) != mapping)
			__builtin_trap();
		end = mapping->end;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(mapping_table) struct mapping_table *table = mapping_table_new();
	_cleanup_(mapping_table) struct mapping_table *shared = mapping_table_ref(table);
	struct mapping mapping = {.start = 0x2800, .end = 0x4800, .inode = 1, .path = (char *)"/fuzz"};

	if (mapping_table_parse(&table, (const char *)data, size))
		return 0;
	check(table);
	mapping_table_insert(&table, &mapping);
	check(table);
	if (mapping_table_cnt(shared))
		__builtin_trap();
	return 0;
}
