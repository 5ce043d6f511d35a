/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_mapping.c - any bytes as /proc/PID/maps, then more mappings in the midst, of a file and of memory. */
#include <stdint.h>
#include <string.h>

#include "process/mapping.h"
#include "process/mapping_origin.h"

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

static void insert(struct mapping_table **table, u64 start, u64 end, u64 inode, const char *path)
{
	mapping_table_insert(table,
			     &(struct mapping){.start = start, .end = end, .inode = inode, .path = (char *)path});
	check(*table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(mapping_table) struct mapping_table *table = mapping_table_new();
	_cleanup_(mapping_table) struct mapping_table *empty = mapping_table_ref(table);

	if (mapping_table_parse(&table, (const char *)data, size))
		return 0;
	check(table);
	if (mapping_table_cnt(empty))
		__builtin_trap();

	/* The same says nothing new. */
	_cleanup_(mapping_table) struct mapping_table *parsed = mapping_table_ref(table);
	if (mapping_table_parse(&table, (const char *)data, size) || table != parsed)
		__builtin_trap();

	size_t cnt = mapping_table_cnt(parsed);
	insert(&table, 0x2800, 0x4800, 1, "/fuzz");
	insert(&table, 0x2000, 0x3000, 0, "");
	for (size_t i = 0; i < mapping_table_cnt(table); i++) {
		if (mapping_table_at(table, i)->origin)
			mapping_accept_origin(mapping_table_at(table, i));
	}
	insert(&table, 0x2400, 0x2600, 2, "/memfd:fuzz (deleted)");
	if (mapping_table_parse(&table, (const char *)data, size))
		__builtin_trap();
	check(table);
	if (mapping_table_cnt(parsed) != cnt)
		__builtin_trap();
	return 0;
}
