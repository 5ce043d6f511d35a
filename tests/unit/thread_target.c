/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "thread_target.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"

#define SIGNALS 64

void sleep_ns(u64 ns)
{
	struct timespec time = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};

	while (nanosleep(&time, &time) && errno == EINTR)
		;
}

void block_as_libc(void)
{
	u64 all = ~0ull;

	cr_assert_eq(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, NULL, sizeof(all)), 0);
}

__attribute__((noinline, noclone)) void target_stand(struct target *target)
{
	volatile u64 pattern[PATTERN_CNT];

	for (int i = 0; i < PATTERN_CNT; i++)
		pattern[i] = PATTERN(i);
	target->tid = syscall(SYS_gettid);
	target->frame = (u64)__builtin_frame_address(0);
	target->return_address = (u64)__builtin_return_address(0);
	target->pattern = (u64)pattern;
	target->work(target);
	cr_assert_eq(pattern[0], PATTERN(0));
}

void *target_main(void *arg)
{
	target_stand(arg);
	return NULL;
}

void target_start(struct target *target)
{
	cr_assert_eq(pthread_create(&target->thread, NULL, target_main, target), 0);
	while (!target->is_ready)
		sched_yield();
}

void target_stop(struct target *target)
{
	target->is_over = true;
	target->futex = 1;
	syscall(SYS_futex, &target->futex, FUTEX_WAKE_PRIVATE, INT_MAX);
	if (target->pipe[1]) {
		cr_assert_eq(write(target->pipe[1], "", 1), 1);
		close(target->pipe[1]);
	}
	pthread_join(target->thread, NULL);
}

static char thread_state(int tid)
{
	char path[64], text[512] = "";

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	_cleanup_(stream) FILE *file = fopen(path, "r");
	if (!file || !fgets(text, sizeof(text), file))
		return '?';
	const char *end = strrchr(text, ')');
	return end ? end[2] : '?';
}

bool thread_comes_to(int tid, char state)
{
	for (int i = 0; i < 60000 && thread_state(tid) != state; i++)
		sleep_ns(NS_PER_MS);
	return thread_state(tid) == state;
}

struct thread_question question_of(const struct target *target)
{
	return (struct thread_question){.ident = (u64)target->thread, .stack_size = STACK_SIZE};
}

int ask(const struct thread_question *question, u64 patience_ns, struct thread_request **ret)
{
	struct thread_request *request;
	int err = thread_request_send(question, &request);

	if (err)
		return err;
	err = thread_request_wait(request, clock_monotonic_ns() + patience_ns);
	if (err) {
		cr_assert(thread_request_free(request));
		return err;
	}
	*ret = request;
	return 0;
}

void check_start(const struct thread_copy *copy)
{
	u64 rsp = copy->registers[DWARF_RSP], start = copy->pieces[0].start;

	cr_assert_leq(start, rsp);
	cr_assert_leq(rsp - start, RED_ZONE_SIZE);
}

void check_stand(const struct target *target, const struct thread_copy *copy, size_t piece)
{
	const struct stack_copy *stack = &copy->pieces[piece];
	u64 word;

	cr_assert_lt(piece, copy->piece_cnt);
	for (int i = 0; i < PATTERN_CNT; i++) {
		cr_assert(stack_copy_read(stack, target->pattern + 8 * i, &word));
		cr_assert_eq(word, PATTERN(i));
	}
	cr_assert(stack_copy_read(stack, target->frame + 8, &word));
	cr_assert_eq(word, target->return_address);
}

void check_copy(const struct target *target, const struct thread_copy *copy)
{
	cr_assert_eq(copy->ident, (u64)target->thread);
	cr_assert_eq(copy->piece_cnt, 1);
	cr_assert_null(copy->pieces[0].next);
	check_start(copy);
	cr_assert_leq(copy->registers[DWARF_RSP], target->pattern);
	check_stand(target, copy, 0);
}

/*
 * All dispositions, as the kernel has them
 */

struct kernel_disposition {
	u64 words[4];
};

static struct kernel_disposition disposition_of(int number)
{
	struct kernel_disposition disposition = {0};

	cr_assert(number == SIGKILL || number == SIGSTOP || !syscall(SYS_rt_sigaction, number, NULL, &disposition, 8));
	return disposition;
}

static struct kernel_disposition before[SIGNALS + 1];

void note_dispositions(void)
{
	for (int number = 1; number <= SIGNALS; number++)
		before[number] = disposition_of(number);
}

int changed_disposition(void)
{
	for (int number = 1; number <= SIGNALS; number++) {
		struct kernel_disposition now = disposition_of(number);

		if (memcmp(&now, &before[number], sizeof(now)))
			return number;
	}
	return 0;
}

/*
 * Works
 */

void work_nanosleep(struct target *target)
{
	target->is_ready = true;
	while (!target->is_over)
		sleep_ns(100 * NS_PER_MS);
}

void work_read(struct target *target)
{
	char byte;

	cr_assert_eq(pipe(target->pipe), 0);
	target->is_ready = true;
	cr_assert_eq(read(target->pipe[0], &byte, 1), 1, "it was not restarted");
	close(target->pipe[0]);
}

void work_futex(struct target *target)
{
	/* Without an end: one that wakes now and then is not always asleep when it is looked at. */
	target->is_ready = true;
	while (!target->is_over)
		syscall(SYS_futex, &target->futex, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

void work_busy(struct target *target)
{
	target->is_ready = true;
	while (!target->is_over)
		;
}

void work_malloc(struct target *target)
{
	target->is_ready = true;
	for (size_t i = 0; !target->is_over; i++) {
		void *volatile memory = malloc(i % 5000);

		free(memory);
		memory = malloc(200000);
		free(memory);
	}
}

void work_dlopen(struct target *target)
{
	target->is_ready = true;
	while (!target->is_over) {
		void *library = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);

		cr_assert_neq(library, NULL);
		cr_assert_neq(dlsym(library, "sin"), NULL);
		dlclose(library);
	}
}

void work_fork(struct target *target)
{
	target->is_ready = true;
	while (!target->is_over) {
		int pid = fork();

		if (!pid)
			_exit(0);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
}

struct thread_request *ask_for(const struct target *target, size_t stack_size)
{
	struct thread_question question = {.ident = (u64)target->thread, .stack_size = stack_size};
	struct thread_request *request = NULL;

	cr_assert_eq(ask(&question, ENOUGH_NS, &request), 0);
	return request;
}
