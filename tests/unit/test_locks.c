/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/locks.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "dump/deadlock.h"
#include "live_python.h"
#include "inspect/block_depth.h"
#include "python/thread_list.h"

#define SCRIPT	   "tests/workloads/deadlock.py"
#define THREAD_MAX 64
#define HELD_MAX   16

/* What the workload says of a thread, and what we find. */
struct known_thread {
	char name[64];
	unsigned long long ident;
	u64 state;
	u32 tid;
	u64 syscall, arguments[6];
	struct python_stack stack;
	u64 held[HELD_MAX];
	size_t held_cnt;
};

struct known_process {
	const struct live_python *python;
	struct known_thread threads[THREAD_MAX];
	struct dump_thread dump[THREAD_MAX];
	struct deadlock_facts facts[THREAD_MAX];
	size_t cnt;
};

static struct known_thread *thread_named(struct known_process *process, const char *name)
{
	for (size_t i = 0; i < process->cnt; i++)
		if (!strcmp(process->threads[i].name, name))
			return &process->threads[i];
	cr_assert(false, "%s: there is no thread %s", process->python->name, name);
	return NULL;
}

static void threads_list(struct known_process *process)
{
	for (const char *line = NULL; (line = live_python_fact(process->python, "thread", line));) {
		struct known_thread *thread = &process->threads[process->cnt++];

		cr_assert_lt(process->cnt, THREAD_MAX);
		cr_assert_eq(sscanf(line, "thread %63s %llu", thread->name, &thread->ident), 2);
	}
	cr_assert_gt(process->cnt, 20, "%s: %zu threads", process->python->name, process->cnt);
}

static int state_visit(void *ctx, const struct python_thread *found)
{
	struct known_process *process = ctx;

	for (size_t i = 0; i < process->cnt; i++)
		if (process->threads[i].ident == found->thread_pointer)
			process->threads[i].state = found->state;
	return 0;
}

/* pthread_self() lies at the top of a thread's stack: the nearest one above its stack pointer is its own. */
static struct known_thread *thread_of_sp(struct known_process *process, u64 sp)
{
	struct known_thread *nearest = NULL;

	for (size_t i = 0; i < process->cnt; i++) {
		struct known_thread *thread = &process->threads[i];

		if (thread->ident > sp && (!nearest || thread->ident < nearest->ident))
			nearest = thread;
	}
	return nearest;
}

static void tid_look(struct known_process *process, const char *tid)
{
	unsigned long long syscall, a[6], sp;
	char path[320], line[512];

	snprintf(path, sizeof(path), "/proc/%d/task/%s/syscall", process->python->pid, tid);
	_cleanup_(stream) FILE *file = fopen(path, "r");
	if (!file || atoi(tid) == process->python->pid || !fgets(line, sizeof(line), file) ||
	    sscanf(line, "%llu %llx %llx %llx %llx %llx %llx %llx", &syscall, &a[0], &a[1], &a[2], &a[3], &a[4], &a[5],
		   &sp) != 8)
		return;
	struct known_thread *thread = thread_of_sp(process, sp);
	if (!thread)
		return;
	thread->tid = (u32)atoi(tid);
	thread->syscall = syscall;
	for (size_t i = 0; i < 6; i++)
		thread->arguments[i] = a[i];
}

static void tids_look(struct known_process *process)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", process->python->pid);
	_cleanup_(directory) DIR *tasks = opendir(path);
	cr_assert(tasks);
	for (struct dirent *entry; (entry = readdir(tasks));)
		if (entry->d_name[0] != '.')
			tid_look(process, entry->d_name);
}

static bool all_are_asleep(struct known_process *process)
{
	char name[64];

	tids_look(process);
	for (size_t i = 0; i < process->cnt; i++)
		if (!process->threads[i].tid ||
		    (process->threads[i].syscall != SYS_futex && process->threads[i].syscall != SYS_read))
			return false;
	for (const char *line = NULL; (line = live_python_fact(process->python, "waits", line));) {
		cr_assert_eq(sscanf(line, "waits %63s", name), 1);
		if (thread_named(process, name)->syscall != SYS_futex)
			return false;
	}
	return true;
}

/* How often its threads have left a CPU by themselves. */
static u64 switches_of(int pid)
{
	char path[64], line[128];
	unsigned long long cnt;
	u64 sum = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	_cleanup_(directory) DIR *tasks = opendir(path);
	cr_assert(tasks);
	for (struct dirent *entry; (entry = readdir(tasks));) {
		char status[400];

		snprintf(status, sizeof(status), "%s/%s/status", path, entry->d_name);
		_cleanup_(stream) FILE *file = entry->d_name[0] == '.' ? NULL : fopen(status, "r");
		while (file && fgets(line, sizeof(line), file))
			if (sscanf(line, "voluntary_ctxt_switches: %llu", &cnt) == 1)
				sum += cnt;
	}
	return sum;
}

/* Twice, and none ran in between: who waits for the GIL sleeps as well, a few milliseconds at a time. */
static void wait_for_sleep(struct known_process *process)
{
	u64 before = 0;

	for (int tries = 0; tries < 2000; tries++) {
		u64 now = switches_of(process->python->pid);

		if (all_are_asleep(process) && now == before)
			return;
		before = now;
		nanosleep(&(struct timespec){.tv_nsec = 30 * 1000 * 1000}, NULL);
	}
	for (size_t i = 0; i < process->cnt; i++)
		fprintf(stderr, "%s tid %u syscall %llu\n", process->threads[i].name, process->threads[i].tid,
			process->threads[i].syscall);
	cr_assert(false, "%s: not all threads came to rest", process->python->name);
}

static int held_visit(void *ctx, u64 lock)
{
	struct known_thread *thread = ctx;

	cr_assert_lt(thread->held_cnt, HELD_MAX);
	thread->held[thread->held_cnt++] = lock;
	return 0;
}

static void thread_look(struct known_process *process, size_t index, struct python_locks *locks,
			struct python_walker *walker)
{
	struct known_thread *thread = &process->threads[index];
	struct dump_thread *dump = &process->dump[index];
	struct deadlock_facts *facts = &process->facts[index];

	cr_assert(thread->state, "%s: no state of %s", process->python->name, thread->name);
	cr_assert_eq(python_walk(walker, thread->state, thread->ident, 0, &thread->stack), 0);
	cr_assert_gt(thread->stack.cnt, 2);
	*dump = (struct dump_thread){.tid = thread->tid, .ident = thread->ident};
	dump->record.flags = THREAD_IN_SYSCALL;
	dump->record.syscall = thread->syscall;
	memcpy(dump->record.arguments, thread->arguments, sizeof(thread->arguments));
	if (thread->syscall == SYS_futex) {
		int err = python_lock_find(locks, &thread->stack, thread->arguments[0], &facts->lock);
		cr_assert(!err || err == -ENOENT, "%s: %s: %s", process->python->name, thread->name, strerror(-err));
	}
	cr_assert_eq(python_locks_list(locks, &thread->stack, held_visit, thread), 0);
	facts->held = thread->held;
	facts->held_cnt = thread->held_cnt;
	int err = python_lock_of_thread(locks, thread->state, &facts->end_lock);
	cr_assert(!err || err == -ENOENT);
}

static unsigned long long lock_named(const struct live_python *python, const char *name)
{
	unsigned long long address;
	char other[64];

	for (const char *line = NULL; (line = live_python_fact(python, "lock", line));)
		if (sscanf(line, "lock %63s %llx", other, &address) == 2 && !strcmp(name, other))
			return address;
	cr_assert(false, "%s: there is no lock %s", python->name, name);
	return 0;
}

static const char *name_of_kind(const char *kind)
{
	static const char *const names[][2] = {
		{"plain", "Lock"}, {"recursive", "RLock"}, {"condition", "Condition"}, {"thread", "the end"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(kind, names[i][0]))
			return names[i][1];
	return "?";
}

static void check_wait(struct known_process *process, const char *line)
{
	char name[64], kind[64], lock[64], owner[64], evidence[64];

	cr_assert_eq(sscanf(line, "waits %63s %63s %63s %63s %63s", name, kind, lock, owner, evidence), 5);
	const char *python = process->python->name;
	const struct known_thread *thread = thread_named(process, name);
	const struct dump_wait *wait = &process->dump[thread - process->threads].wait;

	bool is_thread = !strcmp(kind, "thread");
	cr_expect_eq(wait->kind, is_thread ? WAIT_THREAD : WAIT_LOCK, "%s: %s: no lock found", python, name);
	if (!wait->on)
		return;
	cr_expect_str_eq(wait->on, name_of_kind(kind), "%s: %s waits for %s", python, name, wait->on);
	if (strcmp(lock, "-"))
		cr_expect_eq(wait->address, lock_named(process->python, lock), "%s: %s: another lock", python, name);
	u32 tid = strcmp(owner, "-") ? thread_named(process, owner)->tid : 0;
	cr_expect_eq(wait->owner_tid, tid, "%s: %s: owner %u, not %u (%s)", python, name, wait->owner_tid, tid, owner);
	cr_expect_eq(wait->owner_inferred, !strcmp(evidence, "inferred"), "%s: %s: inferred: %d", python, name,
		     wait->owner_inferred);
}

/* What was found as a ring, in the words of the workload: from the first thread of the line on. */
static bool ring_is(struct known_process *process, const struct dump_deadlock *ring, const char *line)
{
	char name[64];
	size_t cnt = 0, first = 0;
	int size;

	for (line += strlen("ring"); sscanf(line, " %63s%n", name, &size) == 1 && *line != '\n'; line += size, cnt++) {
		size_t thread = (size_t)(thread_named(process, name) - process->threads);

		while (!cnt && first < ring->cnt && ring->threads[first] != thread)
			first++;
		if (cnt == ring->cnt || ring->threads[(first + cnt) % ring->cnt] != thread)
			return false;
	}
	return cnt == ring->cnt;
}

static void check_rings(struct known_process *process)
{
	_cleanup_(free) struct dump_deadlock *rings = NULL;
	size_t cnt, wanted = 0;

	cr_assert_eq(deadlock_find(process->dump, process->cnt, &rings, &cnt), 0);
	for (const char *line = NULL; (line = live_python_fact(process->python, "ring", line)); wanted++) {
		size_t found = 0;

		for (size_t i = 0; i < cnt; i++)
			found += ring_is(process, &rings[i], line);
		cr_expect_eq(found, 1, "%s: %zu times %.*s", process->python->name, found, (int)strcspn(line, "\n"),
			     line);
	}
	cr_expect_eq(cnt, wanted, "%s: %zu rings, not %zu", process->python->name, cnt, wanted);
}

static void check_process(const struct live_python *python)
{
	_cleanup_(free) struct known_process *process = calloc(1, sizeof(*process));
	_cleanup_(python_walker) struct python_walker *walker = NULL;
	struct python_objects objects;
	struct python_locks locks;
	size_t waits = 0, said = 0;

	process->python = python;
	threads_list(process);
	wait_for_sleep(process);
	cr_assert_eq(python_objects_init(&objects, &python->memory, &python->file.layout, python->runtime), 0);
	cr_assert_eq(python_locks_init(&locks, &objects), 0);
	cr_assert_eq(python_walker_new(&python->memory, &python->file.layout, python->runtime, &walker), 0);
	cr_assert_eq(thread_list_read(&python->memory, &python->file.layout, python->runtime, state_visit, process), 0);
	for (size_t i = 0; i < process->cnt; i++)
		thread_look(process, i, &locks, walker);
	cr_assert_eq(deadlock_name_owners(process->dump, process->facts, process->cnt), 0);
	for (const char *line = NULL; (line = live_python_fact(python, "waits", line)); said++)
		check_wait(process, line);
	for (size_t i = 0; i < process->cnt; i++)
		waits += process->dump[i].wait.kind != WAIT_NONE;
	cr_expect_eq(waits, said, "%s: %zu threads wait for locks, not %zu", python->name, waits, said);
	check_rings(process);
}

Test(locks, who_waits_for_whom_is_what_live_interpreters_say, .timeout = 900)
{
	for_each_live_python_running(SCRIPT, 0, check_process);
}

/* 64 and more take several bytes, the highest six bits first. */
Test(locks, an_exception_table_says_how_deep_the_stack_is)
{
	/* units 10 to 19: depth 2; 20 to 99: depth 1, and the instruction is pushed; 100 to 4195: depth 70 */
	static const u8 table[] = {0x80 | 10, 10,	   50,	       2 << 1,	 0x80 | 20, 0x40 | 1, 16,
				   0x40 | 1,  0,	   1 << 1 | 1, 0xc0 | 1, 36,	    0x40 | 1, 0x40 | 0,
				   0,	      0x40 | 0x10, 0,	       0x40 | 2, 12};
	static const struct {
		u32 unit, depth;
	} rows[] = {{0, 0}, {9, 0}, {10, 2}, {19, 2}, {20, 1}, {99, 1}, {100, 70}, {4195, 70}, {4196, 0}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(exception_table_depth(table, sizeof(table), 2 * rows[i].unit), rows[i].depth,
			     "unit %u: %u", rows[i].unit,
			     exception_table_depth(table, sizeof(table), 2 * rows[i].unit));
}

Test(locks, an_exception_table_that_is_cut_says_nothing)
{
	static const u8 table[] = {0x80 | 10, 10, 50, 4};

	for (size_t size = 0; size < sizeof(table); size++)
		cr_expect_eq(exception_table_depth(table, size, 24), 0);
	cr_expect_eq(exception_table_depth(table, sizeof(table), 24), 2);
}

Test(locks, versions_that_nobody_has_looked_at_are_refused)
{
	cr_expect_null(lock_layout_of_version(0x02060000));
	cr_expect_null(lock_layout_of_version(0x030500f0));
	cr_expect_null(lock_layout_of_version(0x031000a1));
	cr_expect_not_null(lock_layout_of_version(0x02071200));
	cr_expect_not_null(lock_layout_of_version(0x030f02f0));
}
