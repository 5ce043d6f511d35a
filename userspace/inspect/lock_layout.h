/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * lock_layout.h - what only those who look at CPython's locks need, beside struct
 * object_layout: a row for each version in which something of it moved. The sources
 * of the numbers are named with the table, in lock_layout.c.
 */
#ifndef PYPROF_LOCK_LAYOUT_H
#define PYPROF_LOCK_LAYOUT_H

#include "pyprof/python_abi.h"

/* Offsets in bytes; ABSENT (python_abi.h) where a version has no such thing. */
struct lock_layout {
	u32 first_version; /* PY_VERSION_HEX */

	/* tp_name of threading.Lock; threading.RLock and Condition, with the attributes of those written in Python */
	const char *lock_type;
	const char *rlock_type; /* the one in C; NULL: there is none */
	const char *python_rlock_type, *python_rlock_block, *python_rlock_owner;
	const char *condition_type, *condition_lock;
	const char *thread_type, *thread_ident; /* of a Thread whose join() is a Condition's wait(); NULL: it is none */

	/* lockobject, rlockobject, PyMethodDescrObject: from the end of PyObject */
	u16 lock_semaphore; /* pointer to a sem_t, which is what a waiter sleeps on */
	u16 rlock_owner; /* u64 ident */
	u16 rlock_cnt; /* u64: 0: the owner is of the past */
	u16 descriptor_method;

	/* Parked threads (pycore_parking_lot.h) sleep on a semaphore of their own, so far behind the parked address. */
	u16 parked_address;
	u16 lock_mutex; /* u8 PyMutex of a lockobject or rlockobject: what is parked on */

	/* ThreadHandle, which a thread that joins another is parked on */
	u16 handle_node; /* llist_node: next, previous */
	u16 handle_ident; /* u64 */
	u16 handle_event; /* u8 */

	/* PyThreadState: a weak reference to the lock that is released when the thread ends; PyWeakReference after PyObject */
	u16 thread_end;
	const char *reference_type; /* tp_name of weakref.ref; NULL: not needed */
	u16 reference_object;

	/* PyFrameObject to 3.10: how deep its stack surely is, by its blocks */
	u16 frame_stack; /* pointer to the stack */
	u16 frame_block_cnt; /* u32 */
	u16 frame_blocks; /* of BLOCK_SIZE bytes each, with a u32 at BLOCK_LEVEL */

	/* PyCodeObject, from the end of PyObject */
	u16 code_stack_size; /* u32 */
	u16 code_exceptions; /* bytes: from 3.11 on that says how deep the stack is */
};

#define BLOCK_SIZE  12 /* sizeof(PyTryBlock), in all versions that have it */
#define BLOCK_LEVEL 8
#define BLOCK_MAX   20 /* CO_MAXBLOCKS */

/* NULL: a version that we do not know. */
const struct lock_layout *lock_layout_of_version(u32 version);

#endif
