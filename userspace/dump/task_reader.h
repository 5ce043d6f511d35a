/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* task_reader.h - the asyncio tasks of one interpreter, into a snapshot. */
#ifndef PYPROF_TASK_READER_H
#define PYPROF_TASK_READER_H

#include "dump/snapshot.h"
#include "dump/stack_reader.h"
#include "inspect/object.h"

/* Adds them to those that the snapshot has, which says in tasks_read whether they are all. */
int tasks_read(const struct python_objects *objects, u64 interpreter, u32 interpreter_id, struct stack_reader *stacks,
	       struct snapshot *snapshot);

#endif
