/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "dump/wait.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <string.h>

#include "base/strbuf.h"
#include "dump/syscall_table.h"

#define DESCRIPTORS_MAX	  1024 /* of poll and select that are looked at; FD_SETSIZE */
#define DESCRIPTORS_SHOWN 6

enum syscall_target {
	TARGET_NONE, /* there is no such call */
	TARGET_PLAIN,
	TARGET_FD,
	TARGET_FUTEX,
	TARGET_FUTEX_WAIT,
	TARGET_POLL,
	TARGET_SELECT,
};

static const struct {
	const char *name;
	enum syscall_target target;
} syscalls[] = {
#define X(number, name, target) [number] = {#name, TARGET_##target},
	FOR_EACH_SYSCALL(X)
#undef X
};

#define SYSCALL_CNT (sizeof(syscalls) / sizeof(syscalls[0]))

const char *syscall_name(u64 number)
{
	return number < SYSCALL_CNT ? syscalls[number].name : NULL;
}

/* ---- a word of memory ---- */

/*
 * The head of glibc's struct __pthread_mutex_s on 64-bit machines
 * (sysdeps/nptl/bits/struct_mutex.h): the first members of pthread_mutex_t, which its ABI keeps.
 * The futex is `lock`.
 */
struct glibc_mutex {
	u32 lock; /* 0 free, 1 held, 2 held and waited for; a robust one: tid and FUTEX_WAITERS */
	u32 count; /* how often it is locked, of a recursive or robust one */
	u32 owner; /* tid, as its owner calls itself */
	u32 users; /* the owner, and who waits on a condition variable with it */
	u32 kind;
	u16 spins, elision;
};

/* Bits of `kind` (nptl/pthreadP.h). */
#define MUTEX_TYPE	0x03
#define MUTEX_RECURSIVE 0x01
#define MUTEX_ROBUST	0x10
#define MUTEX_FLAGS	0x380 /* shared between processes; lock elision or none: nothing of the rest changes */

#define USERS_MAX (1 << 20)

struct futex_wait {
	u64 address;
	u32 operation; /* FUTEX_WAIT, ...; without flags */
	u32 value;
};

/*
 * Which thread has the mutex, if the word that is waited on is one; else 0. Semaphores (all locks of CPython
 * are such), condition variables and the locks of stdio are words that are waited on too, so all of it must fit.
 */
static u32 mutex_owner(const struct futex_wait *futex, const struct wait_facts *facts)
{
	struct glibc_mutex mutex;

	if ((futex->operation != FUTEX_WAIT && futex->operation != FUTEX_WAIT_BITSET) ||
	    remote_read(facts->memory, futex->address, &mutex, sizeof(mutex)))
		return 0;
	u32 kind = mutex.kind & ~(MUTEX_TYPE | MUTEX_FLAGS);
	bool normal = kind == 0 && mutex.lock == 2;
	bool robust = kind == MUTEX_ROBUST && mutex.lock == (mutex.owner | FUTEX_WAITERS);
	bool counted = robust || (mutex.kind & MUTEX_TYPE) == MUTEX_RECURSIVE;
	if ((!normal && !robust) || mutex.lock != futex->value || !mutex.count != !counted || !mutex.users ||
	    mutex.users > USERS_MAX || mutex.elision)
		return 0;
	return namespace_tids_find(facts->tids, mutex.owner);
}

/* Of one with priority inheritance: the kernel's own rule says that the word is the owner's tid. */
static u32 pi_owner(const struct futex_wait *futex, const struct wait_facts *facts)
{
	u32 word;

	if (futex->operation != FUTEX_LOCK_PI && futex->operation != FUTEX_LOCK_PI2)
		return 0;
	if (remote_read(facts->memory, futex->address, &word, sizeof(word)) || !(word & FUTEX_TID_MASK))
		return 0;
	return namespace_tids_find(facts->tids, word & FUTEX_TID_MASK);
}

static bool futex_waits(u32 operation)
{
	return operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET || operation == FUTEX_LOCK_PI ||
	       operation == FUTEX_LOCK_PI2 || operation == FUTEX_WAIT_REQUEUE_PI;
}

static void explain_futex(const struct futex_wait *futex, const struct wait_facts *facts, struct dump_wait *wait)
{
	if (!futex_waits(futex->operation))
		return;
	wait->address = futex->address;
	if (futex->address >= facts->gil_start && futex->address < facts->gil_end) {
		wait->kind = WAIT_GIL;
		wait->owner_tid = facts->gil_owner_tid;
		return;
	}
	wait->kind = WAIT_FUTEX;
	if (!facts->memory || !facts->tids)
		return;
	u32 owner = mutex_owner(futex, facts);
	wait->owner_tid = owner ? owner : pi_owner(futex, facts);
	if (wait->owner_tid)
		wait->on = "pthread mutex";
}

/* ---- descriptors ---- */

static int on_set(struct snapshot *snapshot, const char *text, struct dump_wait *wait)
{
	const char *on = text ? snapshot_text(snapshot, text) : NULL;
	if (!on)
		return -ENOMEM;
	wait->on = on;
	return 0;
}

static int explain_fd(struct snapshot *snapshot, int fd, const struct wait_facts *facts, struct dump_wait *wait)
{
	wait->kind = WAIT_FD;
	wait->fd = fd;
	if (!facts->fds)
		return 0;
	return on_set(snapshot, fd_targets_find(facts->fds, fd), wait);
}

/* One is named; several are listed, none (a poll that only sleeps) is not said. */
static int explain_descriptors(struct snapshot *snapshot, const int *fds, size_t cnt, const struct wait_facts *facts,
			       struct dump_wait *wait)
{
	STRBUF(text);

	if (cnt == 1)
		return explain_fd(snapshot, fds[0], facts, wait);
	if (!cnt)
		return 0;
	for (size_t i = 0; i < cnt && i < DESCRIPTORS_SHOWN; i++)
		strbuf_printf(&text, "%s%d", i ? ", " : "fds ", fds[i]);
	if (cnt > DESCRIPTORS_SHOWN)
		strbuf_printf(&text, " and %zu more", cnt - DESCRIPTORS_SHOWN);
	return on_set(snapshot, text.failed ? NULL : text.at, wait);
}

static int explain_poll(struct snapshot *snapshot, const u64 arguments[6], const struct wait_facts *facts,
			struct dump_wait *wait)
{
	struct pollfd polled[DESCRIPTORS_MAX];
	int fds[DESCRIPTORS_MAX];
	size_t cnt = arguments[1] < DESCRIPTORS_MAX ? arguments[1] : DESCRIPTORS_MAX, fd_cnt = 0;

	if (!cnt || !facts->memory || remote_read(facts->memory, arguments[0], polled, cnt * sizeof(polled[0])))
		return 0;
	for (size_t i = 0; i < cnt; i++)
		if (polled[i].fd >= 0)
			fds[fd_cnt++] = polled[i].fd;
	return explain_descriptors(snapshot, fds, fd_cnt, facts, wait);
}

static int explain_select(struct snapshot *snapshot, const u64 arguments[6], const struct wait_facts *facts,
			  struct dump_wait *wait)
{
	u64 all[DESCRIPTORS_MAX / 64] = {0};
	int fds[DESCRIPTORS_MAX];
	size_t bits = (u32)arguments[0] < DESCRIPTORS_MAX ? (u32)arguments[0] : DESCRIPTORS_MAX, fd_cnt = 0;

	if (!bits || !facts->memory)
		return 0;
	for (size_t set = 1; set <= 2; set++) {
		u64 words[DESCRIPTORS_MAX / 64];
		size_t cnt = (bits + 63) / 64; /* the kernel reads whole longs too */

		if (!arguments[set] || remote_read(facts->memory, arguments[set], words, cnt * sizeof(words[0])))
			continue;
		for (size_t i = 0; i < cnt; i++)
			all[i] |= words[i];
	}
	for (size_t i = 0; i < bits; i++)
		if (all[i / 64] >> i % 64 & 1)
			fds[fd_cnt++] = (int)i;
	return explain_descriptors(snapshot, fds, fd_cnt, facts, wait);
}

/* ---- */

static int explain_syscall(struct snapshot *snapshot, const struct thread_record *record,
			   const struct wait_facts *facts, struct dump_wait *wait)
{
	const u64 *arguments = record->arguments;
	struct futex_wait futex = {.address = arguments[0]};

	switch (record->syscall < SYSCALL_CNT ? syscalls[record->syscall].target : TARGET_NONE) {
	case TARGET_FD:
		return explain_fd(snapshot, (int)arguments[0], facts, wait);
	case TARGET_POLL:
		return explain_poll(snapshot, arguments, facts, wait);
	case TARGET_SELECT:
		return explain_select(snapshot, arguments, facts, wait);
	case TARGET_FUTEX:
		futex.operation = (u32)arguments[1] & FUTEX_CMD_MASK;
		futex.value = (u32)arguments[2];
		explain_futex(&futex, facts, wait);
		return 0;
	case TARGET_FUTEX_WAIT:
		futex.operation = FUTEX_WAIT_BITSET;
		futex.value = (u32)arguments[1];
		explain_futex(&futex, facts, wait);
		return 0;
	default:
		return 0;
	}
}

int wait_explain(struct snapshot *snapshot, const struct thread_record *record, const struct wait_facts *facts,
		 struct dump_wait *ret)
{
	struct dump_wait wait = {.kind = WAIT_NONE, .fd = -1, .on = ""};
	bool stopped = record->state == 'T' || record->state == 't';
	int err = 0;

	if (record->flags & (THREAD_ON_CPU | THREAD_RUNNABLE | THREAD_EXITING) || record->state == 'Z' ||
	    record->state == 'X') {
		/* It waits for nothing. */
	} else if (stopped || !(record->flags & THREAD_IN_SYSCALL)) {
		wait.kind = WAIT_OTHER;
	} else {
		wait.kind = WAIT_SYSCALL;
		wait.syscall = syscall_name(record->syscall);
		err = explain_syscall(snapshot, record, facts, &wait);
	}
	if (!err)
		*ret = wait;
	return err;
}

/* ---- who else waits ---- */

/* What a thread waits for, as a number among those of its kind; 0: for nothing that others could wait for. */
static u64 wait_key(const struct dump_wait *wait)
{
	switch (wait->kind) {
	case WAIT_GIL:
	case WAIT_LOCK:
	case WAIT_THREAD:
	case WAIT_FUTEX:
		return wait->address;
	case WAIT_FD:
		return (u64)wait->fd + 1;
	default:
		return 0;
	}
}

static int wait_compare(const void *a, const void *b)
{
	const struct dump_wait *one = *(struct dump_wait *const *)a, *other = *(struct dump_wait *const *)b;
	u64 key = wait_key(one), other_key = wait_key(other);

	if (one->kind != other->kind)
		return one->kind < other->kind ? -1 : 1;
	return key < other_key ? -1 : key > other_key;
}

int wait_count_others(struct dump_thread *threads, size_t cnt)
{
	_cleanup_(free) struct dump_wait **waits = calloc(cnt + 1, sizeof(struct dump_wait *));
	if (!waits)
		return -ENOMEM;

	size_t wait_cnt = 0;
	for (size_t i = 0; i < cnt; i++) {
		threads[i].wait.others = 0;
		if (wait_key(&threads[i].wait))
			waits[wait_cnt++] = &threads[i].wait;
	}
	qsort(waits, wait_cnt, sizeof(struct dump_wait *), wait_compare);
	for (size_t first = 0, next; first < wait_cnt; first = next) {
		for (next = first + 1; next < wait_cnt && !wait_compare(&waits[first], &waits[next]); next++)
			;
		for (size_t i = first; i < next; i++)
			waits[i]->others = (u32)(next - first - 1);
	}
	return 0;
}
