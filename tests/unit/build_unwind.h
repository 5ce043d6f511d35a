/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* build_unwind.h - unwind tables by hand, and memory to store them in. */
#ifndef PYPROF_BUILD_UNWIND_H
#define PYPROF_BUILD_UNWIND_H

#include <stddef.h>

#include "unwind/unwind_table.h"

struct built_row {
	u64 address; /* up to the next row's */
	struct unwind_rule rule;
};

/* rows by address. Freed with unwind_table_free. Equal rows, equal keys. */
struct unwind_table *built_table(const struct built_row *rows, size_t cnt);

struct unwind_memory built_unwind_memory(void);
void built_unwind_memory_free(struct unwind_memory *memory);

#endif
