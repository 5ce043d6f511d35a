/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * locks.h - CPython's locks from outside: which one a sleeping thread waits for, who
 * has it where the lock itself says so, and which ones a thread is inside `with` on.
 *
 * An RLock names its owner: that is a fact, as is that a thread which ends releases
 * those who join it. A plain Lock does not know who acquired it. A thread inside
 * `with` on it did, once; it may have released it since (never by Condition.wait(),
 * which is looked at), so that is evidence for deadlock.h to weigh, and no more.
 *
 * Which lock: a thread that waits for one sleeps on a futex, the word of a semaphore
 * that belongs to the lock (to 3.13), or of one on its own C stack, beside the address
 * of the lock's mutex (3.14 and later, and joins from 3.13 on). So the answer is
 * proved by the address that the kernel says, and there is none when it is not.
 * Locks of C code (of io's buffers, say) are not seen.
 */
#ifndef PYPROF_LOCKS_H
#define PYPROF_LOCKS_H

#include <stdbool.h>

#include "inspect/lock_layout.h"
#include "inspect/object.h"
#include "python/python_walk.h"

enum python_lock_kind {
	PYTHON_LOCK_PLAIN, /* threading.Lock */
	PYTHON_LOCK_RECURSIVE, /* threading.RLock, whether written in C or in Python */
	PYTHON_LOCK_CONDITION, /* threading.Condition, and so an Event, a Queue, a Semaphore: to be notified. Nobody has that */
	PYTHON_LOCK_THREAD, /* no lock: the end of a thread, its owner, that is joined */
};

struct python_lock {
	enum python_lock_kind kind;
	bool is_held; /* when it was read. If not, somebody is about to get it */
	u64 address; /* id() of it in the target; of THREAD: of something inside CPython */
	u64 owner_ident; /* threading.get_ident() of who has it, for a fact; 0: it does not say */
};

#define BLOCK_DEPTHS 256
#define LOCK_TYPES   64

struct python_locks {
	const struct python_objects *objects; /* borrowed */
	const struct lock_layout *layout;
	/* What objects of a type are, by its address (enum lock_type). */
	struct {
		u64 type;
		u32 is;
	} types[LOCK_TYPES];
	/* Threads of a pool all stand in the same places: what was found out of those last (block_depth.h). */
	struct {
		u64 code;
		u32 signature, instr, depth;
	} depths[BLOCK_DEPTHS];
};

/* -ENOTSUP: a version that we do not know. */
int python_locks_init(struct python_locks *locks, const struct python_objects *objects);

/*
 * What the thread with this stack waits for, which sleeps on the futex at this address.
 * -ENOENT: not for any such lock, or it cannot be proved; else an error of the memory.
 */
int python_lock_find(struct python_locks *locks, const struct python_stack *stack, u64 futex, struct python_lock *ret);

/*
 * Calls visit for each plain Lock, by its address, that the thread with this stack is inside `with`
 * on, itself or through a threading.Condition made of it; once for each `with`, from the inside.
 * A lock that it is only about to get is none of them. What cannot be read is left out.
 * Some reads for each frame: nothing that pays before some thread waits for a plain Lock.
 * The first visit that does not return 0 is the last, and its answer is ours.
 */
int python_locks_list(struct python_locks *locks, const struct python_stack *stack, int (*visit)(void *ctx, u64 lock),
		      void *ctx);

/*
 * To 3.12: the plain Lock that is released when the thread of this PyThreadState ends: who joins it waits
 * for that, and it is as good as its owner. -ENOENT: none (main thread, not made by `threading`, other versions).
 */
int python_lock_of_thread(struct python_locks *locks, u64 state, u64 *ret);

#endif
