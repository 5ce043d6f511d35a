/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "dump/deadlock.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/syscall.h>

#define THREAD_MAX 16
#define TID(index) ((u32)(1000 + 7 * (index)))
#define IDENT(i)   (0x7f0000001000ull * ((i) + 1))
#define LOCK(n)	   (0x5500ull + 64 * (n))

/* ---- rings, drawn as "1 2 0": thread 0 waits for 1, 1 for 2, 2 for 0; "." for nobody ---- */

static size_t threads_draw(struct dump_thread threads[THREAD_MAX], const char *drawing)
{
	size_t cnt = 0;

	for (const char *at = drawing; *at; at++) {
		if (*at == ' ')
			continue;
		threads[cnt] = (struct dump_thread){.tid = TID(cnt)};
		threads[cnt].wait = (struct dump_wait){.kind = WAIT_LOCK, .fd = -1, .on = ""};
		if (*at != '.')
			threads[cnt].wait.owner_tid = TID(*at - '0');
		cnt++;
	}
	return cnt;
}

/* "0>1>2 4>5" */
static const char *rings_text(const struct dump_deadlock *rings, size_t cnt, char text[256])
{
	char *at = text;

	*at = 0;
	for (size_t i = 0; i < cnt; i++)
		for (size_t j = 0; j < rings[i].cnt; j++)
			at += sprintf(at, "%s%zu", j ? ">" : i ? " " : "", rings[i].threads[j]);
	return text;
}

static void expect_rings(const struct dump_thread *threads, size_t cnt, const char *wanted, const char *drawing)
{
	_cleanup_(free) struct dump_deadlock *rings = NULL;
	size_t ring_cnt;
	char text[256];

	cr_assert_eq(deadlock_find(threads, cnt, &rings, &ring_cnt), 0);
	cr_expect_str_eq(rings_text(rings, ring_cnt, text), wanted, "%s: %s", drawing, text);
	cr_expect_eq(rings == NULL, ring_cnt == 0);
}

static void expect_drawn(const char *drawing, const char *wanted)
{
	struct dump_thread threads[THREAD_MAX];
	size_t cnt = threads_draw(threads, drawing);

	expect_rings(threads, cnt, wanted, drawing);
}

Test(deadlock, threads_that_wait_for_each_other_are_a_ring)
{
	expect_drawn("1 0", "0>1");
	expect_drawn("1 2 0", "0>1>2");
	expect_drawn("2 0 1", "0>2>1");
}

Test(deadlock, a_thread_that_waits_for_itself_is_a_ring)
{
	expect_drawn("0", "0");
	expect_drawn(". 1 .", "1");
}

Test(deadlock, a_chain_that_ends_is_none)
{
	expect_drawn("", "");
	expect_drawn(". . .", "");
	expect_drawn("1 2 .", "");
	expect_drawn("1 2 3 . 3", "");
}

Test(deadlock, who_waits_for_one_of_a_ring_is_not_in_it)
{
	expect_drawn("1 2 3 1", "1>2>3");
	expect_drawn("3 3 3 4 3 3", "3>4");
	expect_drawn("5 0 1 5 . 3", "3>5");
}

Test(deadlock, all_rings_are_found_each_once)
{
	expect_drawn("1 0 3 2 4", "0>1 2>3 4");
	expect_drawn("2 3 0 1", "0>2 1>3");
	expect_drawn("7 7 6 2 1 0 3 8 7", "7>8 2>6>3");
}

Test(deadlock, a_wait_with_a_time_limit_ends_by_itself)
{
	struct dump_thread threads[THREAD_MAX];
	size_t cnt = threads_draw(threads, "1 2 0");

	threads[1].record = (struct thread_record){.flags = THREAD_IN_SYSCALL, .syscall = SYS_futex};
	expect_rings(threads, cnt, "0>1>2", "no limit");
	threads[1].record.arguments[3] = 0x7ffd0000;
	expect_rings(threads, cnt, "", "limit");
	/* The GIL is asked for again and again. */
	threads[1].wait.kind = WAIT_GIL;
	expect_rings(threads, cnt, "0>1>2", "GIL");
}

Test(deadlock, a_thread_that_is_gone_is_waited_for_by_nobody)
{
	struct dump_thread threads[THREAD_MAX];
	size_t cnt = threads_draw(threads, "1 0");

	threads[1].tid = 0;
	expect_rings(threads, cnt, "", "gone");
}

Test(deadlock, a_long_way_to_a_ring_takes_no_stack)
{
	size_t cnt = 100000;
	_cleanup_(free) struct dump_thread *threads = calloc(cnt, sizeof(*threads));
	_cleanup_(free) struct dump_deadlock *rings = NULL;
	size_t ring_cnt;

	cr_assert(threads);
	for (size_t i = 0; i < cnt; i++) {
		threads[i].tid = (u32)(i + 1);
		threads[i].wait.owner_tid = (u32)(i + 1 < cnt ? i + 2 : cnt / 2);
	}
	cr_assert_eq(deadlock_find(threads, cnt, &rings, &ring_cnt), 0);
	cr_assert_eq(ring_cnt, 1);
	cr_assert_eq(rings[0].cnt, cnt - cnt / 2 + 1);
	cr_assert_eq(rings[0].threads[0], cnt / 2 - 1);
}

/* ---- owners ---- */

struct party {
	struct dump_thread threads[THREAD_MAX];
	struct deadlock_facts facts[THREAD_MAX];
	size_t cnt;
};

static struct party party_of(size_t cnt)
{
	struct party party = {.cnt = cnt};

	for (size_t i = 0; i < cnt; i++)
		party.threads[i] = (struct dump_thread){.tid = TID(i), .ident = IDENT(i)};
	return party;
}

static void waits_for(struct party *party, size_t thread, enum python_lock_kind kind, u64 lock, u64 owner_ident)
{
	party->facts[thread].lock = (struct python_lock){kind, true, lock, owner_ident};
	party->threads[thread].wait = (struct dump_wait){.kind = WAIT_FUTEX, .fd = -1, .on = "", .address = 1};
}

static void expect_owner(struct party *party, size_t thread, u32 tid, bool inferred)
{
	cr_assert_eq(deadlock_name_owners(party->threads, party->facts, party->cnt), 0);

	const struct dump_wait *wait = &party->threads[thread].wait;
	cr_expect_neq(wait->kind, WAIT_FUTEX);
	cr_expect_eq(wait->address, party->facts[thread].lock.address);
	cr_expect_eq(wait->owner_tid, tid, "%u, not %u", wait->owner_tid, tid);
	cr_expect_eq(wait->owner_inferred, inferred);
}

Test(deadlock, the_owner_of_an_rlock_is_a_fact)
{
	struct party party = party_of(3);

	waits_for(&party, 0, PYTHON_LOCK_RECURSIVE, LOCK(0), IDENT(2));
	expect_owner(&party, 0, TID(2), false);
	cr_expect_eq(party.threads[0].wait.kind, WAIT_LOCK);
	cr_expect_str_eq(party.threads[0].wait.on, "RLock");
}

Test(deadlock, an_owner_that_is_no_living_thread_is_not_named)
{
	struct party party = party_of(2);

	waits_for(&party, 0, PYTHON_LOCK_RECURSIVE, LOCK(0), IDENT(7));
	expect_owner(&party, 0, 0, false);
	waits_for(&party, 0, PYTHON_LOCK_RECURSIVE, LOCK(0), IDENT(1));
	party.threads[1].tid = 0;
	expect_owner(&party, 0, 0, false);
}

Test(deadlock, the_only_thread_inside_with_is_inferred)
{
	struct party party = party_of(3);
	u64 held[] = {LOCK(3), LOCK(0), LOCK(0)};

	waits_for(&party, 0, PYTHON_LOCK_PLAIN, LOCK(0), 0);
	party.facts[1].held = held;
	party.facts[1].held_cnt = 3;
	expect_owner(&party, 0, TID(1), true);
	cr_expect_str_eq(party.threads[0].wait.on, "Lock");
}

Test(deadlock, of_two_threads_inside_with_none_is_named)
{
	struct party party = party_of(3);
	u64 held[] = {LOCK(0)};

	waits_for(&party, 0, PYTHON_LOCK_PLAIN, LOCK(0), 0);
	for (size_t i = 1; i < 3; i++)
		party.facts[i] = (struct deadlock_facts){.held = held, .held_cnt = 1};
	expect_owner(&party, 0, 0, false);
}

Test(deadlock, nobody_is_named_when_none_is_inside_with)
{
	struct party party = party_of(2);
	u64 held[] = {LOCK(1)};

	waits_for(&party, 0, PYTHON_LOCK_PLAIN, LOCK(0), 0);
	party.facts[1] = (struct deadlock_facts){.held = held, .held_cnt = 1};
	expect_owner(&party, 0, 0, false);
}

Test(deadlock, a_lock_that_is_free_has_no_owner)
{
	struct party party = party_of(2);
	u64 held[] = {LOCK(0)};

	waits_for(&party, 0, PYTHON_LOCK_PLAIN, LOCK(0), 0);
	party.facts[0].lock.is_held = false;
	party.facts[1] = (struct deadlock_facts){.held = held, .held_cnt = 1};
	expect_owner(&party, 0, 0, false);
}

Test(deadlock, who_joins_a_thread_waits_for_it)
{
	struct party party = party_of(3);

	waits_for(&party, 0, PYTHON_LOCK_THREAD, LOCK(0), IDENT(1));
	waits_for(&party, 2, PYTHON_LOCK_PLAIN, LOCK(1), 0);
	party.facts[1].end_lock = LOCK(1);
	expect_owner(&party, 0, TID(1), false);
	expect_owner(&party, 2, TID(1), false);
	cr_expect_eq(party.threads[0].wait.kind, WAIT_THREAD);
	cr_expect_eq(party.threads[2].wait.kind, WAIT_THREAD);
	cr_expect_str_eq(party.threads[0].wait.on, "the end");
	cr_expect_str_eq(party.threads[2].wait.on, "the end");
}

Test(deadlock, what_is_no_lock_of_pythons_stays_as_it_was)
{
	struct party party = party_of(2);

	party.threads[0].wait = (struct dump_wait){WAIT_FUTEX, "futex", -1, "pthread mutex", 77, TID(1), false, 3};
	cr_assert_eq(deadlock_name_owners(party.threads, party.facts, party.cnt), 0);
	cr_expect_eq(party.threads[0].wait.kind, WAIT_FUTEX);
	cr_expect_eq(party.threads[0].wait.owner_tid, TID(1));
	cr_expect_eq(party.threads[0].wait.address, 77);
}

/* A thread that is in C code with a mutex and wants the GIL, and one that has it and wants the mutex. */
Test(deadlock, rings_go_through_mutexes_and_the_gil)
{
	struct party party = party_of(3);
	u64 held[] = {LOCK(0)};

	party.threads[0].wait = (struct dump_wait){.kind = WAIT_GIL, .owner_tid = TID(1)};
	party.threads[1].wait = (struct dump_wait){.kind = WAIT_FUTEX, .owner_tid = TID(2)};
	waits_for(&party, 2, PYTHON_LOCK_PLAIN, LOCK(0), 0);
	party.facts[0] = (struct deadlock_facts){.held = held, .held_cnt = 1};
	expect_owner(&party, 2, TID(0), true);
	expect_rings(party.threads, 3, "0>1>2", "GIL, mutex, lock");
}
