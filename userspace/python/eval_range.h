/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * eval_range.h - where the eval loop's code lies: the function that every Python frame
 * to 3.9 is an activation of, in all the parts that its compiler made of it.
 *
 * A symbol names the first part alone once a file is stripped. The others (GCC calls
 * them NAME.cold) have unwind entries of their own, and live by jumps into each other's
 * middle, which no compiler makes from one function to the next. (A part of a few
 * instructions that end the process is not found, and not missed.)
 */
#ifndef PYPROF_EVAL_RANGE_H
#define PYPROF_EVAL_RANGE_H

#include <stddef.h>

#include "elf/elf_file.h"
#include "elf/symbol_table.h"
#include "pyprof/types.h"

/* Up to max of them, the named one first, then by the number of jumps. -ENOENT: no eval loop here. */
int eval_ranges_find(struct elf_file *elf, struct code_range *ret, size_t max, size_t *ret_cnt);

#endif
