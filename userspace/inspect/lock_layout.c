/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/lock_layout.h"

#include <stddef.h>

/*
 * Where it is from. Locks are in no header: lockobject and rlockobject are in
 * Modules/_threadmodule.c (2.7: Modules/threadmodule.c), _PyRecursiveMutex in
 * Include/internal/pycore_lock.h, struct wait_entry in Python/parking_lot.c,
 * ThreadHandle in Modules/_threadmodule.c; the names of Python's own classes and
 * attributes in Lib/threading.py. Read there, and compared with gdb's `ptype /o` in
 * builds with debug information of 2.7.18, 3.6.15, 3.7.16, 3.8.18, 3.9.18, 3.10.13,
 * 3.11.7, 3.12.1 and 3.13.0. Frames, code, thread states, weak references and method
 * descriptors: by offsetof() with the headers of the same versions, of 3.13.18,
 * 3.14.10 and 3.15.2, with and without Py_GIL_DISABLED. test_locks.c holds all of it
 * against what live interpreters say.
 *
 * PyThread_type_lock points to a sem_t wherever there are working POSIX semaphores
 * (USE_SEMAPHORES in Python/thread_pthread.h), which is everywhere on Linux; glibc and
 * musl both let waiters sleep on its first word.
 */
#define PYTHON_2                                                                                                     \
	.lock_type = "thread.lock", .python_rlock_type = "_RLock", .python_rlock_block = "_RLock__block",            \
	.python_rlock_owner = "_RLock__owner", .condition_type = "_Condition", .condition_lock = "_Condition__lock", \
	.thread_type = "Thread", .thread_ident = "_Thread__ident", .rlock_owner = ABSENT, .descriptor_method = 16
#define PYTHON_3                                                                                       \
	.lock_type = "_thread.lock", .rlock_type = "_thread.RLock", .python_rlock_type = "_RLock",     \
	.python_rlock_block = "_block", .python_rlock_owner = "_owner", .condition_type = "Condition", \
	.condition_lock = "_lock", .thread_type = NULL, .rlock_owner = 8, .descriptor_method = 24

/*
 * What a lock is. 3.13.0 has semaphores alone; from 3.13.5 at the latest a Lock is a mutex, and an RLock a semaphore
 * still (read in both releases' sources).
 * The two cannot be taken for each other: either the semaphore or the parked address must be the waiter's.
 */
#define SEMAPHORE(cnt) .lock_semaphore = 0, .rlock_cnt = cnt, .lock_mutex = ABSENT
#define EITHER	       .lock_semaphore = 0, .rlock_cnt = 16, .lock_mutex = 0
#define MUTEX	       .lock_semaphore = ABSENT, .rlock_cnt = ABSENT, .lock_mutex = 0

/* What says that a thread has ended. */
#define NO_END                                                                                             \
	.thread_end = ABSENT, .reference_object = ABSENT, .parked_address = ABSENT, .handle_node = ABSENT, \
	.handle_ident = ABSENT, .handle_event = ABSENT
#define END_LOCK(offset, type)                                                                         \
	.thread_end = offset, .reference_type = type, .reference_object = 0, .parked_address = ABSENT, \
	.handle_node = ABSENT, .handle_ident = ABSENT, .handle_event = ABSENT
#define END_HANDLE                                                                                                   \
	.thread_end = ABSENT, .reference_object = ABSENT, .parked_address = 8, .handle_node = 0, .handle_ident = 32, \
	.handle_event = 57

/* What says how deep a frame's stack is. */
#define BLOCKS(cnt, blocks) .frame_stack = 64, .frame_block_cnt = cnt, .frame_blocks = blocks, .code_exceptions = ABSENT
#define EXCEPTIONS	    .frame_stack = ABSENT, .frame_block_cnt = ABSENT, .frame_blocks = ABSENT, .code_exceptions = 24

static const struct lock_layout rows[] = {
	{0x02070000, PYTHON_2, SEMAPHORE(ABSENT), NO_END, BLOCKS(128, 132), .code_stack_size = 8},
	{.first_version = 0x02080000}, /* to 3.5: not known */
	{0x03060000, PYTHON_3, SEMAPHORE(16), END_LOCK(184, "weakref"), BLOCKS(128, 136), .code_stack_size = 12},
	{0x03070000, PYTHON_3, SEMAPHORE(16), END_LOCK(208, "weakref"), BLOCKS(112, 120), .code_stack_size = 12},
	{0x03080000, PYTHON_3, SEMAPHORE(16), END_LOCK(208, "weakref"), BLOCKS(112, 120), .code_stack_size = 16},
	{0x030a0000, PYTHON_3, SEMAPHORE(16), END_LOCK(208, "weakref.ReferenceType"), BLOCKS(104, 112),
	 .code_stack_size = 16},
	{0x030b0000, PYTHON_3, SEMAPHORE(16), END_LOCK(192, "weakref.ReferenceType"), EXCEPTIONS,
	 .code_stack_size = 52},
	{0x030c0000, PYTHON_3, SEMAPHORE(16), END_LOCK(176, "weakref.ReferenceType"), EXCEPTIONS,
	 .code_stack_size = 48},
	{0x030d0000, PYTHON_3, EITHER, END_HANDLE, EXCEPTIONS, .code_stack_size = 48},
	{0x030e0000, PYTHON_3, MUTEX, END_HANDLE, EXCEPTIONS, .code_stack_size = 48},
	{.first_version = 0x03100000}, /* not known yet */
};

#define ROW_CNT (sizeof(rows) / sizeof(rows[0]))

const struct lock_layout *lock_layout_of_version(u32 version)
{
	for (size_t i = ROW_CNT; i-- > 0;)
		if (version >= rows[i].first_version)
			return rows[i].lock_type ? &rows[i] : NULL;
	return NULL;
}
