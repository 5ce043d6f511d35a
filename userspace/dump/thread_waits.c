/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "dump/thread_waits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dump/deadlock.h"
#include "dump/wait.h"
#include "inspect/locks.h"

/*
 * System calls, descriptors, the GIL
 */

/* The thread of this process that has the GIL: when its stack was read, or else now. */
static u32 gil_owner(const struct thread_reader *r, const struct read_interpreter *interpreter)
{
	struct python_gil gil;

	for (size_t i = 0; i < r->cnt; i++)
		if (r->threads[i].thread.holds_gil && interpreters_share_gil(r->threads[i].interpreter, interpreter))
			return r->threads[i].thread.tid;
	if (gil_read(r->objects, r->current, interpreter->address, &gil) || !gil.exists || !gil.holder)
		return 0;
	for (size_t i = 0; i < r->cnt; i++)
		if (r->threads[i].thread.state == gil.holder)
			return r->threads[i].thread.tid;
	return 0;
}

static int wait_read(struct thread_reader *r, struct wait_facts *facts, struct read_thread *t)
{
	facts->gil_start = facts->gil_end = facts->gil_owner_tid = 0;
	if (t->interpreter && t->interpreter->gil.exists) {
		facts->gil_start = t->interpreter->gil.start;
		facts->gil_end = t->interpreter->gil.end;
		facts->gil_owner_tid = gil_owner(r, t->interpreter);
	}
	return wait_explain(r->snapshot, &t->thread.record, facts, &t->thread.wait);
}

int thread_waits_explain(struct thread_reader *r)
{
	const struct remote_memory memory = remote_memory_of_process(r->process->id.pid);
	_cleanup_(fd_targets) struct fd_targets *fds = NULL;
	_cleanup_(namespace_tids) struct namespace_tids *tids = NULL;
	int err = fd_targets_new(r->process->id.pid, &fds);

	if (!err)
		err = namespace_tids_new(r->process->id.pid, &tids);
	struct wait_facts facts = {.memory = &memory, .fds = fds, .tids = tids};
	for (size_t i = 0; !err && i < r->cnt; i++)
		if (r->threads[i].thread.tid)
			err = wait_read(r, &facts, &r->threads[i]);
	return err;
}

/*
 * Python's own locks
 */

/* What the locks say of each thread, beside them. */
struct lock_facts {
	struct thread_reader *reader;
	struct python_locks locks;
	struct deadlock_facts *facts;
};

struct held_locks {
	u64 *at;
	size_t cnt, capacity;
};

static int on_held(void *ctx, u64 lock)
{
	struct held_locks *held = ctx;
	u64 *at = array_reserve(held->at, &held->capacity, held->cnt + 1, sizeof(*at));

	if (!at)
		return -ENOMEM;
	held->at = at;
	at[held->cnt++] = lock;
	return 0;
}

static int held_read(struct lock_facts *l, const struct python_stack *stack, struct deadlock_facts *facts)
{
	struct held_locks held = {0};
	int err = python_locks_list(&l->locks, stack, on_held, &held);

	if (!err && held.cnt) {
		u64 *room = snapshot_room(l->reader->snapshot, held.cnt, sizeof(*room));

		if (room)
			facts->held = memcpy(room, held.at, held.cnt * sizeof(*room));
		else
			err = -ENOMEM;
		facts->held_cnt = room ? held.cnt : 0;
	}
	free(held.at);
	return err;
}

/* A lock that is held can be waited for; that it is, is known of threads that sleep. */
static bool may_wait_for_lock(const struct read_thread *t)
{
	return t->thread.state && t->thread.taken != TAKEN_ON_CPU && !t->is_gone &&
	       (t->thread.wait.kind == WAIT_FUTEX || t->thread.wait.kind == WAIT_LOCK);
}

static int thread_locks_read(struct lock_facts *l, struct read_thread *t, bool wants_held, struct deadlock_facts *facts)
{
	const struct python_stack *stack;
	int err = stack_reader_python(l->reader->stacks, &t->thread.record, t->thread.state, t->thread.ident, &stack);

	if (!err && !wants_held && may_wait_for_lock(t))
		err = python_lock_find(&l->locks, stack, t->thread.wait.address, &facts->lock);
	if (!err && wants_held)
		err = held_read(l, stack, facts);
	if (!err && wants_held)
		python_lock_of_thread(&l->locks, t->thread.state, &facts->end_lock);
	/* What a thread does not say of itself makes for a shorter answer. */
	return err == -ENOMEM ? err : 0;
}

/* First who waits for which; and if any does, who is inside of what. */
static int locks_read(struct lock_facts *l)
{
	struct thread_reader *r = l->reader;
	bool any = false;
	int err = 0;

	for (size_t i = 0; !err && i < r->cnt; i++) {
		if (may_wait_for_lock(&r->threads[i]))
			err = thread_locks_read(l, &r->threads[i], false, &l->facts[i]);
		any |= l->facts[i].lock.address && l->facts[i].lock.kind == PYTHON_LOCK_PLAIN;
	}
	for (size_t i = 0; !err && any && i < r->cnt; i++)
		if (r->threads[i].thread.state && r->threads[i].thread.taken != TAKEN_ON_CPU)
			err = thread_locks_read(l, &r->threads[i], true, &l->facts[i]);
	return err;
}

static bool held_still(const struct thread_reader *r, const struct read_thread *t)
{
	const struct thread_record *now = thread_listing_find(r->now, t->thread.tid);

	/* Its record is from before it was stopped; since then it cannot have run. */
	return t->thread.taken == TAKEN_FROZEN || (now && thread_record_held_still(&t->thread.record, now));
}

/*
 * Who has what a thread waited for was read after its stack. Whoever waits for the GIL
 * wakes up each 5 ms to go on waiting, so who has that is told all the same, unless the
 * thread has got it itself.
 */
static void owner_forget(struct dump_thread *thread)
{
	struct dump_wait *wait = &thread->wait;

	if (wait->kind == WAIT_GIL && wait->owner_tid != thread->tid)
		return;
	if (wait->kind == WAIT_FUTEX)
		wait->on = "";
	wait->owner_tid = 0;
	wait->owner_inferred = false;
}

/* Of threads that ran meanwhile nothing is believed. */
static int waits_confirm(struct thread_reader *r, struct dump_thread *threads, struct deadlock_facts *facts,
			 bool *ret_still)
{
	int err = thread_listing_read(r->now, r->capture, r->process->id.pid, false);

	for (size_t i = 0; !err && i < r->cnt; i++) {
		ret_still[i] = held_still(r, &r->threads[i]);
		if (ret_still[i])
			continue;
		facts[i] = (struct deadlock_facts){0};
		owner_forget(&threads[i]);
	}
	return err;
}

/* Each of them stood, and waited, from when it was read until the last one had been. */
static bool is_still(const struct dump_deadlock *ring, const bool *still)
{
	for (size_t i = 0; i < ring->cnt; i++)
		if (!still[ring->threads[i]])
			return false;
	return true;
}

static int deadlock_keep(struct snapshot *snapshot, const struct dump_deadlock *found, struct dump_deadlock *ret)
{
	size_t *threads = snapshot_room(snapshot, found->cnt, sizeof(*threads));

	if (!threads)
		return -ENOMEM;
	memcpy(threads, found->threads, found->cnt * sizeof(*threads));
	*ret = (struct dump_deadlock){.threads = threads, .cnt = found->cnt};
	return 0;
}

/* Everything is the snapshot's from here on. */
static int deadlocks_keep(struct snapshot *snapshot, const bool *still)
{
	_cleanup_(free) struct dump_deadlock *found = NULL;
	size_t cnt = 0, kept = 0;
	int err = deadlock_find(snapshot->threads, snapshot->thread_cnt, &found, &cnt);

	struct dump_deadlock *room = cnt ? snapshot_room(snapshot, cnt, sizeof(*room)) : NULL;
	if (!err && cnt && !room)
		err = -ENOMEM;
	for (size_t i = 0; !err && i < cnt; i++) {
		if (!is_still(&found[i], still))
			continue;
		err = deadlock_keep(snapshot, &found[i], &room[kept]);
		kept += !err;
	}
	if (!err) {
		snapshot->deadlocks = room;
		snapshot->deadlock_cnt = kept;
	}
	return err;
}

int thread_waits_find_deadlocks(struct thread_reader *r, struct snapshot *snapshot)
{
	_cleanup_(free) bool *still = calloc(r->cnt + 1, sizeof(*still));
	struct lock_facts l = {.reader = r};
	int err = 0;

	l.facts = snapshot_room(snapshot, r->cnt, sizeof(*l.facts));
	if (!l.facts || !still)
		return -ENOMEM;
	if (r->objects && !python_locks_init(&l.locks, r->objects))
		err = locks_read(&l);
	if (!err)
		err = waits_confirm(r, snapshot->threads, l.facts, still);
	if (!err)
		err = deadlock_name_owners(snapshot->threads, l.facts, snapshot->thread_cnt);
	if (!err)
		err = wait_count_others(snapshot->threads, snapshot->thread_cnt);
	return err ? err : deadlocks_keep(snapshot, still);
}
