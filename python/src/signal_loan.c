/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "signal_loan.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIGNAL_CNT 64

/*
 * As the kernel has it (arch/x86/include/uapi/asm/signal.h). libc's sigaction() cannot put back what it read: it
 * sets a flag and an address of its own.
 */
struct disposition {
	u64 answer;
	u64 flags;
	u64 restorer;
	u64 mask;
};

#define FLAG_RESTORER 0x04000000

struct loan {
	u32 cnt; /* who has it */
	bool is_pending; /* somebody gave it back without an answer: it may still be queued */
	struct disposition before;
};

/* One per process, as dispositions are. The lock is never held while anybody waits, nor taken in an answer. */
static struct {
	pthread_mutex_t lock;
	signal_answer *answer;
	struct loan at[SIGNAL_CNT + 1];
} loans = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Unwinders know a return from a signal by these very bytes. They may look one byte lower. */
__asm__(".pushsection .text\n"
	".hidden stacktrace_signal_return\n"
	".globl stacktrace_signal_return\n" /* for -flto */
	".type stacktrace_signal_return, @function\n"
	"nop\n"
	"stacktrace_signal_return:\n"
	"movq $15, %rax\n"
	"syscall\n"
	".size stacktrace_signal_return, . - stacktrace_signal_return\n"
	".popsection\n");
void stacktrace_signal_return(void) __attribute__((visibility("hidden")));

static void signal_arrive(int number, siginfo_t *info, void *ucontext)
{
	int saved_errno = errno;

	if (info->si_code == SI_QUEUE)
		loans.answer((u64)info->si_value.sival_ptr, ucontext);
	errno = saved_errno;
}

static const struct disposition ours = {
	.answer = (u64)signal_arrive,
	.flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK | FLAG_RESTORER,
	.restorer = (u64)stacktrace_signal_return,
	.mask = ~0ull,
};

static int disposition_change(int number, const struct disposition *to, struct disposition *ret)
{
	return syscall(SYS_rt_sigaction, number, to, ret, sizeof(ret->mask)) ? -errno : 0;
}

static bool is_ours(int number)
{
	struct disposition now;

	return !disposition_change(number, NULL, &now) && now.answer == ours.answer;
}

/* From what is there to something else. False: it is not there (any more), and what is there stays. */
static bool disposition_swap(int number, u64 from, const struct disposition *to)
{
	struct disposition before;

	if (disposition_change(number, NULL, &before) || before.answer != from)
		return false;
	if (disposition_change(number, to, &before))
		return false;
	if (before.answer == from)
		return true;
	/* Somebody was faster. */
	disposition_change(number, &before, &(struct disposition){0});
	return false;
}

static bool loan_begin(int number)
{
	struct loan *loan = &loans.at[number];

	/* Noted first: the process may fork at any time. */
	*loan = (struct loan){0};
	return !disposition_change(number, NULL, &loan->before) && disposition_swap(number, (u64)SIG_DFL, &ours);
}

static void loan_end(int number)
{
	static const struct disposition ignored = {.answer = (u64)SIG_IGN};
	const struct loan *loan = &loans.at[number];

	/* To ignore a signal throws away what of it is queued, in all threads (POSIX, sigaction). */
	if (!loan->is_pending)
		disposition_swap(number, ours.answer, &loan->before);
	else if (disposition_swap(number, ours.answer, &ignored))
		disposition_swap(number, ignored.answer, &loan->before);
}

/* Any that is allowed and in use, else any that can be. */
static int loan_choose(u64 blocked)
{
	for (int number = SIGRTMAX; number >= SIGRTMIN; number--) {
		if (!(blocked >> (number - 1) & 1) && loans.at[number].cnt && is_ours(number))
			return number;
	}
	for (int number = SIGRTMAX; number >= SIGRTMIN; number--) {
		if (!(blocked >> (number - 1) & 1) && !loans.at[number].cnt && loan_begin(number))
			return number;
	}
	return -EAGAIN;
}

int signal_loan_take(u64 blocked, signal_answer *answer, int *ret)
{
	pthread_mutex_lock(&loans.lock);
	loans.answer = answer;
	int number = loan_choose(blocked);
	if (number > 0)
		loans.at[number].cnt++;
	pthread_mutex_unlock(&loans.lock);
	if (number < 0)
		return number;
	*ret = number;
	return 0;
}

void signal_loan_return(int number, bool was_taken)
{
	struct loan *loan = &loans.at[number];

	pthread_mutex_lock(&loans.lock);
	loan->is_pending |= !was_taken;
	if (loan->cnt == 1)
		loan_end(number);
	loan->cnt--;
	pthread_mutex_unlock(&loans.lock);
}

int signal_loan_send(int number, int tid, u64 value)
{
	siginfo_t info = {.si_signo = number, .si_code = SI_QUEUE};

	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_ptr = (void *)value;
	return syscall(SYS_rt_tgsigqueueinfo, info.si_pid, tid, number, &info) ? -errno : 0;
}

void signal_loan_after_fork(void)
{
	/* Whoever had the lock is not here. */
	loans.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++) {
		struct loan *loan = &loans.at[number];

		/* Ignored: it was just being given back. */
		if (!disposition_swap(number, ours.answer, &loan->before) && loan->cnt)
			disposition_swap(number, (u64)SIG_IGN, &loan->before);
		loan->cnt = 0;
	}
}
