/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * block_depth.h - how many slots of a frame's stack are surely in use, from outside.
 * Above them lies what is left of earlier: a frame that runs keeps its stack pointer
 * in a register. But where an exception would be handled says how deep the stack is
 * there: to 3.10 the innermost of the frame's blocks, from 3.11 on the code object's
 * exception table. All that an enclosing `with` or `try` put there is below.
 */
#ifndef PYPROF_BLOCK_DEPTH_H
#define PYPROF_BLOCK_DEPTH_H

#include "inspect/locks.h"

/* Of this frame of the stack, in slots; 0: nothing encloses where it is. */
int block_depth_read(struct python_locks *locks, const struct python_stack *stack, size_t index, u32 *ret);

/* Of an instruction, by its offset in bytes, in a co_exceptiontable (CPython: InternalDocs/exception_handling.md). */
u32 exception_table_depth(const void *table, size_t size, u32 instr);

#endif
