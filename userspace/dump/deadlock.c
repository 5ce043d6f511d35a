/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "dump/deadlock.h"

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "base/array.h"

#define NOBODY SIZE_MAX

/* ---- from a key to a thread ---- */

/* A thread that has something by which it is looked up: an ident, a lock, a tid. */
struct claim {
	u64 key;
	size_t thread;
};

struct claims {
	struct claim *at;
	u32 cnt, capacity;
};

static int claims_add(struct claims *claims, u64 key, size_t thread)
{
	struct claim *at = array_room(claims->at, &claims->capacity, claims->cnt, sizeof(*at));
	if (!at)
		return -ENOMEM;
	claims->at = at;
	claims->at[claims->cnt++] = (struct claim){key, thread};
	return 0;
}

static int claim_compare(const void *a, const void *b)
{
	const struct claim *one = a, *other = b;

	if (one->key != other->key)
		return one->key < other->key ? -1 : 1;
	return one->thread < other->thread ? -1 : one->thread > other->thread;
}

static void claims_sort(struct claims *claims)
{
	if (claims->cnt)
		qsort(claims->at, claims->cnt, sizeof(*claims->at), claim_compare);
}

/* The first thread with this key; *ret_only: there is no other one. */
static size_t claims_find(const struct claims *claims, u64 key, bool *ret_only)
{
	size_t low = 0, high = claims->cnt;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (claims->at[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == claims->cnt || claims->at[low].key != key)
		return NOBODY;
	size_t thread = claims->at[low].thread;
	*ret_only = true;
	for (size_t i = low + 1; *ret_only && i < claims->cnt && claims->at[i].key == key; i++)
		*ret_only = claims->at[i].thread == thread;
	return thread;
}

static void claims_cleanup_(struct claims *claims)
{
	free(claims->at);
}

/* ---- who has what ---- */

static int claims_of_held(const struct deadlock_facts *facts, size_t cnt, struct claims *held)
{
	int err = 0;

	for (size_t i = 0; i < cnt && !err; i++)
		for (size_t j = 0; j < facts[i].held_cnt && !err; j++)
			err = claims_add(held, facts[i].held[j], i);
	claims_sort(held);
	return err;
}

static int claims_of_ends(const struct deadlock_facts *facts, size_t cnt, struct claims *ends)
{
	int err = 0;

	for (size_t i = 0; i < cnt && !err; i++)
		if (facts[i].end_lock)
			err = claims_add(ends, facts[i].end_lock, i);
	claims_sort(ends);
	return err;
}

static int claims_of_idents(const struct dump_thread *threads, size_t cnt, struct claims *idents)
{
	int err = 0;

	for (size_t i = 0; i < cnt && !err; i++)
		if (threads[i].ident && threads[i].tid)
			err = claims_add(idents, threads[i].ident, i);
	claims_sort(idents);
	return err;
}

struct owners {
	const struct claims *idents, *ends, *held;
};

/* Whose it is. NOBODY: nobody's, or it is not known. */
static size_t owner_find(const struct owners *owners, const struct python_lock *lock, bool *ret_inferred)
{
	bool only;
	size_t thread;

	*ret_inferred = false;
	if (!lock->is_held)
		return NOBODY;
	if (lock->owner_ident)
		return claims_find(owners->idents, lock->owner_ident, &only);
	if (lock->kind != PYTHON_LOCK_PLAIN)
		return NOBODY;
	thread = claims_find(owners->ends, lock->address, &only);
	if (thread != NOBODY)
		return thread;
	thread = claims_find(owners->held, lock->address, &only);
	*ret_inferred = thread != NOBODY && only;
	return *ret_inferred ? thread : NOBODY;
}

static const char *const lock_names[] = {
	[PYTHON_LOCK_PLAIN] = "Lock",
	[PYTHON_LOCK_RECURSIVE] = "RLock",
	[PYTHON_LOCK_CONDITION] = "Condition",
	[PYTHON_LOCK_THREAD] = "the end",
};

int deadlock_name_owners(struct dump_thread *threads, const struct deadlock_facts *facts, size_t cnt)
{
	_cleanup_(claims) struct claims idents = {0};
	_cleanup_(claims) struct claims ends = {0};
	_cleanup_(claims) struct claims held = {0};
	struct owners owners = {&idents, &ends, &held};
	int err = claims_of_idents(threads, cnt, &idents);

	if (!err)
		err = claims_of_ends(facts, cnt, &ends);
	if (!err)
		err = claims_of_held(facts, cnt, &held);
	for (size_t i = 0; i < cnt && !err; i++) {
		const struct python_lock *lock = &facts[i].lock;
		struct dump_wait *wait = &threads[i].wait;

		if (!lock->address)
			continue;
		size_t owner = owner_find(&owners, lock, &wait->owner_inferred);
		bool is_end = lock->kind == PYTHON_LOCK_THREAD ||
			      (owner != NOBODY && facts[owner].end_lock == lock->address);
		wait->kind = is_end ? WAIT_THREAD : WAIT_LOCK;
		wait->address = lock->address;
		wait->on = lock_names[is_end ? PYTHON_LOCK_THREAD : lock->kind];
		wait->owner_tid = owner != NOBODY ? threads[owner].tid : 0;
	}
	return err;
}

/* ---- rings ---- */

/* The GIL is waited for a few milliseconds at a time, again and again: that is no limit. */
static bool has_limit(const struct dump_thread *thread)
{
	const struct thread_record *record = &thread->record;

	return thread->wait.kind != WAIT_GIL && record->flags & THREAD_IN_SYSCALL && record->syscall == SYS_futex &&
	       record->arguments[3];
}

/* To each thread the one that it waits for, or NOBODY. */
static int waits_list(const struct dump_thread *threads, size_t cnt, size_t *waits)
{
	_cleanup_(claims) struct claims tids = {0};
	bool only;
	int err = 0;

	for (size_t i = 0; i < cnt && !err; i++)
		if (threads[i].tid)
			err = claims_add(&tids, threads[i].tid, i);
	claims_sort(&tids);
	for (size_t i = 0; i < cnt && !err; i++) {
		u32 owner = has_limit(&threads[i]) ? 0 : threads[i].wait.owner_tid;

		waits[i] = owner ? claims_find(&tids, owner, &only) : NOBODY;
	}
	return err;
}

/*
 * Each thread waits for one at most, so from each leads one way: it ends, or comes to a ring. `walk` says for
 * each thread on which way it was met first (0: not yet); a way that meets itself has found a ring.
 */
struct rings {
	struct dump_deadlock *list; /* room for cnt, then the threads of all */
	size_t *threads;
	size_t cnt, thread_cnt;
};

static void ring_add(struct rings *rings, const size_t *waits, size_t thread)
{
	size_t *threads = rings->threads + rings->thread_cnt, cnt = 0, at = thread;

	do {
		threads[cnt++] = at;
		at = waits[at];
	} while (at != thread);
	rings->list[rings->cnt++] = (struct dump_deadlock){.threads = threads, .cnt = cnt};
	rings->thread_cnt += cnt;
}

/* Its lowest index, so that what is found does not hang on where the way came in. */
static size_t ring_first(const size_t *waits, size_t thread)
{
	size_t first = thread;

	for (size_t at = waits[thread]; at != thread; at = waits[at])
		first = at < first ? at : first;
	return first;
}

static void rings_collect(struct rings *rings, const size_t *waits, size_t *walk, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		size_t at = i;

		while (at != NOBODY && !walk[at]) {
			walk[at] = i + 1;
			at = waits[at];
		}
		if (at != NOBODY && walk[at] == i + 1)
			ring_add(rings, waits, ring_first(waits, at));
	}
}

int deadlock_find(const struct dump_thread *threads, size_t cnt, struct dump_deadlock **ret, size_t *ret_cnt)
{
	_cleanup_(free) size_t *waits = calloc(cnt + 1, sizeof(*waits));
	_cleanup_(free) size_t *walk = calloc(cnt + 1, sizeof(*walk));
	_cleanup_(free) void *memory = calloc(cnt + 1, sizeof(struct dump_deadlock) + sizeof(size_t));
	struct rings rings = {.list = memory, .threads = (size_t *)((struct dump_deadlock *)memory + cnt)};

	if (!waits || !walk || !memory)
		return -ENOMEM;
	int err = waits_list(threads, cnt, waits);
	if (err)
		return err;
	rings_collect(&rings, waits, walk, cnt);
	*ret = rings.cnt ? take(memory) : NULL;
	*ret_cnt = rings.cnt;
	return 0;
}
