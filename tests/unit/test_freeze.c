/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "dump/freeze.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define THREADS	  4 /* that count, beside the first one */
#define LIMIT_NS  (60 * NS_PER_S) /* for what comes at once on a machine that has nothing else to do */
#define SIGNALS	  200
#define FREEZINGS 50

TestSuite(freeze, .timeout = 600);

/* What the process to be frozen says of itself. */
struct shared {
	atomic_ulong counts[THREADS];
	atomic_ulong received; /* SIGRTMIN, of which each one counts */
	atomic_ulong sent;
	atomic_int ready;
};

static struct shared *shared;

static void on_signal(int signal)
{
	atomic_fetch_add(&shared->received, 1);
}

static void *count(void *number)
{
	for (;;)
		atomic_fetch_add(&shared->counts[(size_t)number], 1);
	return NULL;
}

/* Threads that come and go: some are born while it is being stopped. */
static void *born(void *none)
{
	return NULL;
}

static void *breed(void *none)
{
	for (;;) {
		pthread_t thread;

		if (!pthread_create(&thread, NULL, born, NULL))
			pthread_join(thread, NULL);
	}
	return NULL;
}

static void target_main(bool with_children)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGRTMIN, &action, NULL);
	for (size_t i = 0; i < THREADS; i++)
		pthread_create(&thread, NULL, count, (void *)i);
	if (with_children)
		pthread_create(&thread, NULL, breed, NULL);
	atomic_store(&shared->ready, 1);
	for (;;)
		pause();
}

static pid_t target_start(bool with_children)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(shared, MAP_FAILED);
	pid_t pid = fork();
	if (!pid) {
		target_main(with_children);
		_exit(0);
	}
	while (!atomic_load(&shared->ready))
		usleep(1000);
	usleep(20000);
	return pid;
}

static void target_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static unsigned long counted(void)
{
	unsigned long sum = 0;

	for (size_t i = 0; i < THREADS; i++)
		sum += atomic_load(&shared->counts[i]);
	return sum;
}

static bool goes_on(void)
{
	unsigned long before[THREADS];

	for (size_t i = 0; i < THREADS; i++)
		before[i] = atomic_load(&shared->counts[i]);
	for (u64 until = clock_monotonic_ns() + LIMIT_NS; clock_monotonic_ns() < until; usleep(1000)) {
		size_t moved = 0;

		for (size_t i = 0; i < THREADS; i++)
			moved += atomic_load(&shared->counts[i]) != before[i];
		if (moved == THREADS)
			return true;
	}
	return false;
}

/* The letters of all threads: "tttt". */
static void states_of(pid_t pid, char *ret, size_t size)
{
	char path[64];
	size_t cnt = 0;
	struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	_cleanup_(directory) DIR *directory = opendir(path);
	while (directory && (entry = readdir(directory)) && cnt + 1 < size) {
		char stat_path[400];
		char *stat;
		size_t stat_size;

		snprintf(stat_path, sizeof(stat_path), "%s/%s/stat", path, entry->d_name);
		if (*entry->d_name == '.' || file_read(stat_path, 65536, &stat, &stat_size))
			continue;
		ret[cnt++] = strrchr(stat, ')')[2];
		free(stat);
	}
	ret[cnt] = 0;
}

static bool all_are(pid_t pid, char state)
{
	char states[256];

	states_of(pid, states, sizeof(states));
	return *states && strspn(states, (char[]){state, 0}) == strlen(states);
}

/* Each state within a moment: what was let go has to get a CPU first. */
static bool become(pid_t pid, bool (*test)(pid_t pid))
{
	for (u64 until = clock_monotonic_ns() + LIMIT_NS; clock_monotonic_ns() < until; usleep(1000))
		if (test(pid))
			return true;
	return false;
}

static bool is_stopped(pid_t pid)
{
	return all_are(pid, 'T');
}

/* One that was about to end when it was stopped has ended. */
static bool is_traced(pid_t pid)
{
	char states[256];

	states_of(pid, states, sizeof(states));
	return strchr(states, 't') && strspn(states, "tXZ") == strlen(states);
}

Test(freeze, all_threads_stand_until_they_are_let_go)
{
	pid_t pid = target_start(false);
	struct freeze *freeze;

	cr_assert_eq(freeze_begin(pid, LIMIT_NS, &freeze), 0);
	cr_expect(all_are(pid, 't'));
	unsigned long before = counted();
	usleep(50000);
	cr_expect_eq(counted(), before);
	u64 frozen_ns = freeze_end(freeze);
	cr_expect_geq(frozen_ns, 50 * NS_PER_MS);
	cr_expect(goes_on());
	target_end(pid);
}

Test(freeze, threads_that_are_born_meanwhile_stand_too)
{
	pid_t pid = target_start(true);

	for (int i = 0; i < FREEZINGS; i++) {
		struct freeze *freeze;
		char before[256], after[256];

		cr_assert_eq(freeze_begin(pid, LIMIT_NS, &freeze), 0);
		states_of(pid, before, sizeof(before));
		usleep(1000);
		states_of(pid, after, sizeof(after));
		cr_expect_str_eq(before, after);
		/* One that is about to end when it is stopped ends. */
		cr_expect_eq(strspn(before, "tXZ"), strlen(before), "%s", before);
		freeze_end(freeze);
	}
	cr_expect(goes_on());
	target_end(pid);
}

/* A storm of signals, each of which counts, while it is stopped and let go. */
Test(freeze, no_signal_is_lost_or_invented)
{
	pid_t pid = target_start(false);
	pid_t sender = fork();

	if (!sender) {
		for (int i = 0; i < SIGNALS; i++) {
			while (sigqueue(pid, SIGRTMIN, (union sigval){0}))
				usleep(100);
			usleep(200);
		}
		_exit(0);
	}
	for (int i = 0; i < FREEZINGS; i++) {
		struct freeze *freeze;

		cr_assert_eq(freeze_begin(pid, LIMIT_NS, &freeze), 0);
		usleep(500);
		freeze_end(freeze);
	}
	cr_assert_eq(waitpid(sender, NULL, 0), sender);
	for (u64 until = clock_monotonic_ns() + LIMIT_NS;
	     atomic_load(&shared->received) < SIGNALS && clock_monotonic_ns() < until;)
		usleep(1000);
	usleep(20000);
	cr_expect_eq(atomic_load(&shared->received), SIGNALS);
	cr_expect(goes_on());
	target_end(pid);
}

/* Kills it at any moment of freezing, reading and letting go. */
Test(freeze, the_process_goes_on_when_who_froze_it_is_killed)
{
	pid_t pid = target_start(true);
	size_t while_frozen = 0;

	for (int i = 0; i < 40; i++) {
		pid_t freezer = fork();

		if (!freezer) {
			struct freeze *freeze;

			freeze_begin(pid, LIMIT_NS, &freeze);
			/* Half of them are killed while it is frozen, however slow the machine is. */
			usleep(20000);
			while (i % 2)
				pause();
			freeze_end(freeze);
			_exit(0);
		}
		usleep(200 + i * 250);
		cr_assert(i % 2 == 0 || become(pid, is_traced));
		while_frozen += is_traced(pid);
		kill(freezer, SIGKILL);
		cr_assert_eq(waitpid(freezer, NULL, 0), freezer);
		cr_assert(goes_on(), "after killing number %d", i);
	}
	cr_expect_geq(while_frozen, 20, "it was frozen %zu times when it was killed", while_frozen);
	target_end(pid);
}

/* A signal that its tracer has been told of must not die with the tracer. */
Test(freeze, no_signal_dies_with_who_froze_it)
{
	pid_t pid = target_start(false);
	unsigned long sent = 0;

	for (int i = 0; i < 60; i++) {
		pid_t freezer = fork();

		if (!freezer) {
			for (;;) {
				struct freeze *freeze;

				if (!freeze_begin(pid, LIMIT_NS, &freeze))
					freeze_end(freeze);
			}
		}
		for (int j = 0; j < 10; j++, usleep(100 + 7 * i))
			sent += !sigqueue(pid, SIGRTMIN, (union sigval){0});
		kill(freezer, SIGKILL);
		waitpid(freezer, NULL, 0);
	}
	for (u64 until = clock_monotonic_ns() + LIMIT_NS;
	     atomic_load(&shared->received) < sent && clock_monotonic_ns() < until;)
		usleep(1000);
	usleep(20000);
	cr_expect_eq(atomic_load(&shared->received), sent);
	target_end(pid);
}

Test(freeze, a_process_that_was_stopped_stays_stopped)
{
	pid_t pid = target_start(false);
	struct freeze *freeze;

	kill(pid, SIGSTOP);
	cr_assert(become(pid, is_stopped));
	cr_assert_eq(freeze_begin(pid, LIMIT_NS, &freeze), 0);
	freeze_end(freeze);
	cr_expect(become(pid, is_stopped));
	unsigned long before = counted();
	usleep(20000);
	cr_expect_eq(counted(), before);
	kill(pid, SIGCONT);
	cr_expect(goes_on());
	target_end(pid);
}

Test(freeze, one_that_is_continued_meanwhile_goes_on)
{
	pid_t pid = target_start(false);
	struct freeze *freeze;

	kill(pid, SIGSTOP);
	cr_assert(become(pid, is_stopped));
	cr_assert_eq(freeze_begin(pid, LIMIT_NS, &freeze), 0);
	kill(pid, SIGCONT);
	freeze_end(freeze);
	cr_expect(goes_on());
	target_end(pid);
}

Test(freeze, one_that_is_stopped_meanwhile_stays_so)
{
	pid_t pid = target_start(false);
	struct freeze *freeze;

	cr_assert_eq(freeze_begin(pid, LIMIT_NS, &freeze), 0);
	kill(pid, SIGSTOP);
	freeze_end(freeze);
	cr_expect(become(pid, is_stopped));
	kill(pid, SIGCONT);
	cr_expect(goes_on());
	target_end(pid);
}

/* Its threads wait for their tracer to take notice: who keeps them would keep the process from ending. */
Test(freeze, one_that_is_killed_meanwhile_ends)
{
	pid_t pid = target_start(false);
	struct freeze *freeze;
	int status = 0;

	cr_assert_eq(freeze_begin(pid, LIMIT_NS, &freeze), 0);
	kill(pid, SIGKILL);
	usleep(20000);
	u64 begin_ns = clock_monotonic_ns();
	freeze_end(freeze);
	cr_expect_lt(clock_monotonic_ns() - begin_ns, LIMIT_NS);
	/* It is our own child, so whether it is buried as that or as one that we traced is the same. */
	pid_t ended = waitpid(pid, &status, 0);
	cr_expect(ended == pid || (ended < 0 && errno == ECHILD));
}

static u32 tracer_of(pid_t pid)
{
	_cleanup_(free) char *status = NULL;
	char path[64];
	size_t size;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	cr_assert_eq(file_read(path, 65536, &status, &size), 0);
	return strtoul(strstr(status, "\nTracerPid:") + strlen("\nTracerPid:"), NULL, 10);
}

static bool is_untraced(pid_t pid)
{
	return !tracer_of(pid);
}

/* Who waits for a child of vfork() sleeps where only a kill wakes it. It would stop when it comes out of there. */
Test(freeze, one_that_cannot_be_stopped_is_let_go_too)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(shared, MAP_FAILED);
	int end[2];
	cr_assert_eq(pipe(end), 0);
	pid_t pid = fork();
	struct freeze *freeze;

	if (!pid) {
		char byte;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(end[1]);
		if (!vfork()) {
			(void)!read(end[0], &byte, 1);
			_exit(0);
		}
		atomic_store(&shared->ready, 1);
		for (;;)
			pause();
	}
	for (u64 until = clock_monotonic_ns() + LIMIT_NS; !all_are(pid, 'D') && clock_monotonic_ns() < until;)
		usleep(1000);
	cr_assert_eq(freeze_begin(pid, 50 * NS_PER_MS, &freeze), 0);
	cr_expect(all_are(pid, 'D'));
	cr_expect_neq(tracer_of(pid), 0);
	freeze_end(freeze);
	cr_expect(become(pid, is_untraced));
	cr_expect_not(atomic_load(&shared->ready), "it was over before it was let go");
	close(end[1]);
	close(end[0]);
	for (u64 until = clock_monotonic_ns() + LIMIT_NS; !atomic_load(&shared->ready) && clock_monotonic_ns() < until;)
		usleep(1000);
	cr_expect(atomic_load(&shared->ready), "it did not go on");
	target_end(pid);
}

Test(freeze, who_has_a_debugger_already_is_refused_and_left_alone)
{
	pid_t pid = target_start(false);
	pid_t debugger = fork();
	struct freeze *freeze;

	if (!debugger) {
		ptrace(PTRACE_SEIZE, pid, NULL, NULL);
		atomic_store(&shared->sent, 1);
		for (;;)
			pause();
	}
	while (!atomic_load(&shared->sent))
		usleep(1000);
	cr_expect_eq(freeze_begin(pid, LIMIT_NS, &freeze), -EBUSY);
	cr_expect(goes_on());
	kill(debugger, SIGKILL);
	waitpid(debugger, NULL, 0);
	target_end(pid);
}

Test(freeze, who_is_not_there_is_not_frozen)
{
	pid_t pid = fork();
	struct freeze *freeze;

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	cr_expect_eq(freeze_begin(pid, LIMIT_NS, &freeze), -ESRCH);
}
