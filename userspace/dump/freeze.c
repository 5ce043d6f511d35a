/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "dump/freeze.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/file.h"

#define LOOK_NS	  20000 /* how long a look at a thread that does not stand yet is put off */
#define FINISH_NS (100 * NS_PER_MS) /* what threads get that are about to stop, or to end, when all is let go */

struct frozen_thread {
	pid_t tid;
	bool stands;
	bool is_dead; /* to be buried: its process cannot end before */
	bool is_free; /* no longer ours */
};

/*
 * A thread that does not stand cannot be let go but by the end of its tracer, and would
 * stop later on. So the tracer is a thread of its own, which ends with the freeze: the
 * kernel counts tracers by threads.
 */
struct freeze {
	pid_t pid;
	pthread_t tracer;
	sem_t begun, end; /* for the caller, for the tracer */
	/* the tracer's; the caller's while neither waits */
	int err; /* of its beginning */
	struct frozen_thread *threads;
	size_t cnt, capacity;
	u64 until_ns;
	u64 begin_ns; /* when the first was told to stop */
	u64 frozen_ns;
};

static struct frozen_thread *thread_find(const struct freeze *freeze, pid_t tid)
{
	for (size_t i = 0; i < freeze->cnt; i++)
		if (freeze->threads[i].tid == tid)
			return &freeze->threads[i];
	return NULL;
}

/*
 * Why it cannot be had. The kernel answers EPERM of a thread that somebody else
 * traces, too, and of one that is on its way out, which is none.
 */
static int explain_refusal(pid_t tid, int err)
{
	_cleanup_(free) char *status = NULL;
	char path[32], state;
	size_t size;

	if (err != -EPERM)
		return err == -ESRCH ? 0 : err;
	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	if (file_read(path, 65536, &status, &size))
		return 0;
	const char *at = strstr(status, "\nState:");
	if (at && sscanf(at, " State: %c", &state) == 1 && (state == 'X' || state == 'Z'))
		return 0;
	at = strstr(status, "\nTracerPid:");
	return at && strtoul(at + strlen("\nTracerPid:"), NULL, 10) ? -EBUSY : err;
}

/* A thread that ended meanwhile is none. */
static int thread_seize(struct freeze *freeze, pid_t tid)
{
	struct frozen_thread *threads = array_reserve(freeze->threads, &freeze->capacity, freeze->cnt + 1,
						      sizeof(*threads));
	if (!threads)
		return -ENOMEM;
	freeze->threads = threads;
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL))
		return explain_refusal(tid, -errno);
	threads[freeze->cnt++] = (struct frozen_thread){.tid = tid};
	if (!freeze->begin_ns)
		freeze->begin_ns = clock_monotonic_ns();
	/* Fails only for one that ends. */
	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	return 0;
}

/* Those that are not known yet; *ret_new: how many. */
static int threads_seize(struct freeze *freeze, size_t *ret_new)
{
	size_t before = freeze->cnt;
	struct dirent *entry;
	char path[32];
	int err = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", freeze->pid);
	_cleanup_(directory) DIR *directory = opendir(path);
	if (!directory)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!err && (entry = readdir(directory))) {
		pid_t tid = atoi(entry->d_name);

		if (tid > 0 && !thread_find(freeze, tid))
			err = thread_seize(freeze, tid);
	}
	*ret_new = freeze->cnt - before;
	return err;
}

/*
 * A signal came before it stood: it is delivered now, and the thread stands before it
 * runs any of its own code. We only look (WNOWAIT): a signal that its tracer has been
 * told of dies with the tracer.
 */
static void thread_look(struct frozen_thread *thread)
{
	siginfo_t info = {0};

	if (waitid(P_PID, thread->tid, &info, WSTOPPED | WEXITED | WNOHANG | WNOWAIT | __WALL)) {
		thread->is_free = errno == ECHILD;
		return;
	}
	if (!info.si_pid)
		return;
	if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED) {
		thread->is_dead = true;
		return;
	}
	thread->stands = info.si_status >> 8 == PTRACE_EVENT_STOP;
	if (!thread->stands)
		ptrace(PTRACE_CONT, thread->tid, NULL, (void *)(long)(info.si_status & 0xff));
}

static void wait_a_little(void)
{
	const struct timespec pause = {.tv_nsec = LOOK_NS};

	nanosleep(&pause, NULL);
}

static bool is_settled(const struct frozen_thread *thread)
{
	return thread->stands || thread->is_dead || thread->is_free;
}

/* Until every thread stands or is over, or time is up. */
static void threads_settle(struct freeze *freeze, u64 until_ns)
{
	for (size_t i = 0; i < freeze->cnt; i++) {
		struct frozen_thread *thread = &freeze->threads[i];

		if (!is_settled(thread))
			thread_look(thread);
		while (!is_settled(thread)) {
			if (clock_monotonic_ns() >= until_ns)
				return;
			wait_a_little();
			thread_look(thread);
		}
	}
}

/* Once all that are known stand, and no other is there, none can come. */
static int threads_stop(struct freeze *freeze)
{
	size_t new_cnt = 0;
	int err;

	do {
		err = threads_seize(freeze, &new_cnt);
		if (!err)
			threads_settle(freeze, freeze->until_ns);
	} while (!err && new_cnt && clock_monotonic_ns() < freeze->until_ns);
	return err || freeze->cnt ? err : -ESRCH;
}

/* One that was killed meanwhile waits for its tracer to take notice, and its process waits for that. */
static void thread_release(struct frozen_thread *thread)
{
	if (!is_settled(thread))
		thread_look(thread);
	if (thread->stands && !thread->is_dead) {
		thread->is_free = !ptrace(PTRACE_DETACH, thread->tid, NULL, NULL);
		thread->is_dead = !thread->is_free;
	}
	if (thread->is_dead && waitpid(thread->tid, NULL, WNOHANG | __WALL) != 0)
		thread->is_free = true;
}

/* The leader's end is told when all others are buried: so it comes last. */
static bool threads_release(struct freeze *freeze)
{
	bool all_free = true;

	for (size_t i = freeze->cnt; i-- > 0;) {
		if (!freeze->threads[i].is_free)
			thread_release(&freeze->threads[i]);
		all_free = all_free && freeze->threads[i].is_free;
	}
	return all_free;
}

/* What still does not stand in the end is let go when we end. */
static void threads_let_go(struct freeze *freeze)
{
	u64 until_ns = clock_monotonic_ns() + FINISH_NS;
	bool all_free = threads_release(freeze);

	freeze->frozen_ns = freeze->begin_ns ? clock_monotonic_ns() - freeze->begin_ns : 0;
	while (!all_free && clock_monotonic_ns() < until_ns) {
		wait_a_little();
		all_free = threads_release(freeze);
	}
}

static void semaphore_wait(sem_t *semaphore)
{
	while (sem_wait(semaphore) && errno == EINTR)
		;
}

static void *tracer_run(void *ctx)
{
	struct freeze *freeze = ctx;

	freeze->err = threads_stop(freeze);
	sem_post(&freeze->begun);
	semaphore_wait(&freeze->end);
	threads_let_go(freeze);
	return NULL;
}

/* Signals are the caller's. */
static int tracer_start(struct freeze *freeze)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = pthread_create(&freeze->tracer, NULL, tracer_run, freeze);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

static void freeze_destroy(struct freeze *freeze)
{
	sem_destroy(&freeze->begun);
	sem_destroy(&freeze->end);
	free(freeze->threads);
	free(freeze);
}

int freeze_begin(u32 pid, u64 timeout_ns, struct freeze **ret)
{
	struct freeze *freeze = calloc(1, sizeof(*freeze));
	if (!freeze)
		return -ENOMEM;
	freeze->pid = pid;
	freeze->until_ns = clock_monotonic_ns() + timeout_ns;
	sem_init(&freeze->begun, 0, 0);
	sem_init(&freeze->end, 0, 0);
	int err = tracer_start(freeze);
	if (err) {
		freeze_destroy(freeze);
		return err;
	}
	semaphore_wait(&freeze->begun);
	err = freeze->err;
	if (err)
		freeze_end(freeze);
	else
		*ret = freeze;
	return err;
}

u64 freeze_end(struct freeze *freeze)
{
	sem_post(&freeze->end);
	pthread_join(freeze->tracer, NULL);
	u64 frozen_ns = freeze->frozen_ns;

	freeze_destroy(freeze);
	return frozen_ns;
}
