/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * asyncio_layout.h - where coroutines and the objects of asyncio keep what they
 * hold. A row for each version from 3.11 on, measured by tools/gen_asyncio_layout.py;
 * from 3.14 on the target's own description of its _asyncio goes first.
 *
 * Every member is an offset in bytes unless its comment says otherwise, and ABSENT
 * (python_abi.h) where a version has no such thing.
 */
#ifndef PYPROF_ASYNCIO_LAYOUT_H
#define PYPROF_ASYNCIO_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "pyprof/python_abi.h"

struct asyncio_layout {
	/* PyCoroObject, which generators and async generators begin like */
	u16 coroutine_state; /* s8: see below */
	u16 coroutine_frame; /* the _PyInterpreterFrame itself */
	s8 state_created; /* values of it: not begun */
	s8 state_executing;
	s8 state_await_first, state_await_last; /* in between: suspended, and what it awaits is on its stack */
	u16 resume_opcode; /* ... if this is its next instruction, with an argument of at least 2; ABSENT: always */
	u16 resume_opcode_changed; /* or this, which the interpreter itself makes of it */

	/* _PyInterpreterFrame */
	u16 frame_owner; /* u8 */
	u16 frame_owner_generator; /* value of it */
	u16 frame_stack_top; /* where its stack ends: a pointer, or an int */
	u16 frame_stack_indexed; /* 1: an int, in words from the first local variable */
	u16 await_depth; /* what it awaits is so many words below that end */

	/* FutureObj, which TaskObj begins like */
	u16 future_loop;
	u16 future_callback; /* the first callback */
	u16 future_callbacks; /* list of the others, as tuples (callback, context variables) */
	u16 future_state; /* int; 0: pending */
	u16 future_awaited_by; /* what awaits it, or a set of that */
	u16 future_awaited_by_is_set; /* u8 */
	u16 task_waiter; /* the future that it waits for; NULL: its loop will come to it */
	u16 task_coroutine;
	u16 task_name; /* str, or int: its number */
	u16 task_node; /* struct llist_node { next, prev }, in a thread's or an interpreter's list of tasks */

	/* PyThreadState (_PyThreadStateImpl), PyInterpreterState */
	u32 thread_tasks; /* head of the list of tasks */
	u32 thread_running_loop; /* ABSENT to 3.12: its dict has it */
	u16 running_loop_behind; /* 1: counted from the end of the PyThreadState, python_layout's thread_size */
	u32 thread_running_task;
	u32 thread_dict; /* to 3.12: the running loop is its __asyncio_running_event_loop__ */
	u16 running_loop_held; /* 1: that is an object whose first member is the loop */
	u32 interpreter_tasks; /* head of the list of tasks whose thread is gone */

	u16 module_state; /* PyModuleObject; ABSENT to 3.13: nothing of interest in it */
	u16 weakref_object;
	u16 function_closure;
	u16 partial_args; /* functools.partial */
};

/* -ENOTSUP: not measured. */
int asyncio_layout_of_version(u32 version, bool free_threaded, struct asyncio_layout *ret);

/*
 * What _asyncio says of itself (_AsyncioDebug, struct _Py_AsyncioModuleDebugOffsets in
 * CPython's Modules/_asynciomodule.c): replaces what was measured. -EINVAL, with
 * nothing replaced: this is no such description.
 */
#define ASYNCIO_DESCRIPTION_SIZE 104
int asyncio_layout_describe(const u8 description[ASYNCIO_DESCRIPTION_SIZE], struct asyncio_layout *layout);

#endif
