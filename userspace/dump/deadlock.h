/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * deadlock.h - from what each thread waits for and has to who waits for whom, and to
 * the rings in that. Pure: all that is looked at was read before.
 *
 * Who has a lock is a fact where something in the target says so: the RLock its owner,
 * a pthread mutex its owner, a thread that is joined itself, the GIL its holder. A plain
 * Lock says nothing. Its holder is named when exactly one thread is inside `with` on it,
 * and marked as inferred: the thread may have released it by hand since. If none is (it
 * was acquired by acquire()) or several are, nobody is named.
 */
#ifndef PYPROF_DEADLOCK_H
#define PYPROF_DEADLOCK_H

#include "dump/snapshot.h"
#include "inspect/locks.h"

/* What inspect/locks.h says of one thread. All zero: nothing. */
struct deadlock_facts {
	struct python_lock lock; /* what it waits for; address 0: no lock of Python's */
	const u64 *held; /* plain locks that it is inside `with` on, in any order, also more than once */
	size_t held_cnt;
	u64 end_lock; /* the lock that is released when it ends; 0: none */
};

/*
 * Fills in `wait` (kind LOCK or THREAD, address, on, owner_tid, owner_inferred) of each thread that waits
 * for a lock of Python's, as its facts (an array beside threads) say. -ENOMEM.
 */
int deadlock_name_owners(struct dump_thread *threads, const struct deadlock_facts *facts, size_t cnt);

/*
 * Finds all rings of threads each of which waits for what the next one has (wait.owner_tid): each
 * once, from its first thread in `threads` on. One thread that waits for itself is one too. A
 * wait with a time limit ends by itself, and makes none. *ret is one piece of memory, to be freed
 * by free(); NULL when there is none. -ENOMEM.
 */
int deadlock_find(const struct dump_thread *threads, size_t cnt, struct dump_deadlock **ret, size_t *ret_cnt);

#endif
