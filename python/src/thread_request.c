/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "thread_request.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own_memory.h"
#include "pyprof/unwind.h"
#include "signal_loan.h"
#include "thread_copy.h"
#include "thread_ident.h"
#include "thread_status.h"

#define REQUEST_CNT 256

/* What a request keeps for the next one in its place: 16 KiB of stack, and the Python frames. */
#define KEPT_REQUESTS 4
#define KEPT_SIZE     (256u << 10) /* two pieces of 64 KiB and Python's frames */

/* In pthread_sigmask()'s sets and sigfillset()'s neither libc has these two, which it uses itself. */
#define LIBC_SIGNALS (3ull << (32 - 1))

/* A thread may end with the signal in its queue. It is asked whether it lives at these intervals, and twice as long each. */
#define FIRST_LOOK_NS (10 * NS_PER_MS)

/* A thread that is in the middle of answering, and is only out of luck with the CPU, is waited for when it is to be freed. */
#define PATIENCE_NS (20 * NS_PER_MS)

/* Who may touch a request: the caller but in ASKED and TAKING; then the thread, but for the word. */
enum request_state {
	REQUEST_FREE, /* nobody's */
	REQUEST_OWNED, /* the caller's; a signal that arrives is late */
	REQUEST_ASKED, /* the signal is sent */
	REQUEST_TAKING, /* the thread answers */
	REQUEST_DONE, /* it has answered */
	REQUEST_REFUSED, /* it will not */
	/* Freed by the caller, not over yet: */
	REQUEST_LOST, /* a debugger may have the signal, and will pass it on when it likes */
	REQUEST_ABANDONED, /* the thread answers still */
	REQUEST_SETTLED, /* it has */
};

#define STACK_SIZE_MAX (64u << 20)

#define STATE_BITS  4
#define STATE(word) ((enum request_state)((word) & ((1u << STATE_BITS) - 1)))

/* One mapping, touched as far as needed. The pieces of stack follow, of equal size. */
struct request_memory {
	struct thread_copy copy;
	u8 pieces[];
};

struct thread_request {
	atomic_uint word; /* sequence number << STATE_BITS | state: futex, and what tells a signal that is late */
	int tid, signal; /* signal is 0 when none was sent */
	int refusal; /* when it was refused */
	struct thread_question question;
	struct request_memory *memory;
	size_t memory_size;
	struct copy_room room;
};

/* One per process: a signal handler has only numbers to find its request by. */
static struct {
	struct thread_request at[REQUEST_CNT];
	atomic_int left_cnt; /* in the last three states */
} requests;

static bool request_move(struct thread_request *request, enum request_state from, enum request_state to)
{
	u32 word = atomic_load(&request->word);

	return STATE(word) == from && atomic_compare_exchange_strong(&request->word, &word, word - from + to);
}

static enum request_state request_state(const struct thread_request *request)
{
	return STATE(atomic_load(&request->word));
}

/*
 * In the thread that was asked
 */

static void request_wake(struct thread_request *request)
{
	syscall(SYS_futex, &request->word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void python_capture(struct thread_request *request)
{
	const struct thread_question *question = &request->question;
	struct thread_copy *copy = &request->memory->copy;

	copy->has_python = question->walker && !python_walk(question->walker, question->state, question->ident,
							    copy->registers[REG_RSP], &copy->python);
}

static void request_end(struct thread_request *request, enum request_state how)
{
	if (!request_move(request, REQUEST_TAKING, how))
		request_move(request, REQUEST_ABANDONED, REQUEST_SETTLED);
	request_wake(request);
}

static void request_refuse(struct thread_request *request, int refusal)
{
	request->refusal = refusal;
	request_end(request, REQUEST_REFUSED);
}

/* Not inlined: who refuses needs less stack. */
__attribute__((noinline)) static void request_answer(struct thread_request *request, const void *ucontext)
{
	thread_copy_fill(ucontext, &request->room, &request->memory->copy);
	if (thread_copy_stack_left(ucontext) >= PYTHON_STACK_SIZE)
		python_capture(request);
	request_end(request, REQUEST_DONE);
}

/* value: index << 32 | the request's word when it was sent. Anything else, whoever may have sent it, is nothing. */
static void signal_take(u64 value, const void *ucontext)
{
	u32 word = value, index = value >> 32;

	if (index >= REQUEST_CNT || STATE(word) != REQUEST_ASKED)
		return;
	struct thread_request *request = &requests.at[index];
	if (!atomic_compare_exchange_strong(&request->word, &word, word - REQUEST_ASKED + REQUEST_TAKING)) {
		/* Late, and missed by a debugger only. */
		if ((u32)value - REQUEST_ASKED + REQUEST_LOST == word)
			request_move(request, REQUEST_LOST, REQUEST_SETTLED);
		return;
	}
	if ((u64)pthread_self() != request->question.ident)
		request_refuse(request, -ESRCH);
	else if (thread_copy_stack_left(ucontext) < ANSWER_STACK_SIZE)
		request_refuse(request, -EAGAIN);
	else
		request_answer(request, ucontext);
}

/*
 * Their memory
 */

static bool is_of_table(const struct thread_request *request)
{
	return request >= requests.at && request < requests.at + REQUEST_CNT;
}

static void memory_unmap(struct thread_request *request)
{
	if (request->memory)
		munmap(request->memory, request->memory_size);
	request->memory = NULL;
	request->memory_size = 0;
}

static int memory_map(struct thread_request *request, size_t size)
{
	memory_unmap(request);

	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	request->memory = memory;
	request->memory_size = size;
	return 0;
}

/* Room for an answer of so much stack; what is there of an earlier request serves again. */
static int memory_prepare(struct thread_request *request, size_t stack_size)
{
	size_t piece = stack_size < STACK_SIZE_MAX ? stack_size : STACK_SIZE_MAX;

	request->room.size = piece;
	if (piece < COPY_ROOM_MIN)
		piece = COPY_ROOM_MIN;
	size_t size = sizeof(*request->memory) + STACK_PIECE_CNT * piece;
	int err = request->memory_size < size ? memory_map(request, size) : 0;
	if (err)
		return err;
	for (size_t i = 0; i < STACK_PIECE_CNT; i++)
		request->room.bytes[i] = request->memory->pieces + i * piece;
	return 0;
}

static void request_release(struct thread_request *request)
{
	bool is_kept = request < requests.at + KEPT_REQUESTS && request->memory_size <= KEPT_SIZE;

	if (!is_of_table(request) || !is_kept)
		memory_unmap(request);
	if (is_of_table(request))
		request_move(request, REQUEST_OWNED, REQUEST_FREE);
	else
		free(request);
}
DEFINE_CLEANUP(request, struct thread_request *, request_release)

/* With the next sequence number: signals for earlier ones are nothing to it. NULL: all are in use. */
static struct thread_request *request_own(void)
{
	for (size_t i = 0; i < REQUEST_CNT; i++) {
		struct thread_request *request = &requests.at[i];
		u32 word = atomic_load(&request->word);

		if (STATE(word) == REQUEST_FREE &&
		    atomic_compare_exchange_strong(&request->word, &word, word + (1u << STATE_BITS) + REQUEST_OWNED))
			return request;
	}
	return NULL;
}

static int request_new(struct thread_request *request, const struct thread_question *question, u64 ident)
{
	int err = memory_prepare(request, question->stack_size);

	if (err)
		return err;
	request->question = *question;
	request->question.ident = ident;
	request->signal = 0;
	request->memory->copy.ident = ident;
	request->memory->copy.has_python = false;
	return 0;
}

/*
 * What is left of requests that were freed
 */

static void request_settle(struct thread_request *request)
{
	bool was_taken = request_move(request, REQUEST_SETTLED, REQUEST_OWNED);
	struct thread_status status;

	if (!was_taken) {
		if (request_state(request) != REQUEST_LOST)
			return;
		if (!thread_status_read(request->tid, &status) && status.is_traced)
			return;
		if (!request_move(request, REQUEST_LOST, REQUEST_OWNED))
			return;
	}
	atomic_fetch_sub(&requests.left_cnt, 1);
	signal_loan_return(request->signal, was_taken);
	request_release(request);
}

static void requests_settle(void)
{
	for (size_t i = 0; i < REQUEST_CNT && atomic_load(&requests.left_cnt); i++)
		request_settle(&requests.at[i]);
}

/* To a state that outlives the caller's interest. */
static bool request_leave(struct thread_request *request, enum request_state from, enum request_state to)
{
	atomic_fetch_add(&requests.left_cnt, 1);
	if (request_move(request, from, to))
		return true;
	atomic_fetch_sub(&requests.left_cnt, 1);
	return false;
}

/*
 * The caller
 */

static int signal_choose(const struct thread_status *status, int *ret)
{
	if (strchr("TtZXx", status->state))
		return -EAGAIN;
	int err = signal_loan_take(status->blocked, signal_take, ret);
	/*
	 * libc blocks all for an instant, its own too, where it makes a thread, forks or spawns: such a thread will
	 * answer right after it. Who sleeps so means it, and so does a program, which cannot block libc's.
	 */
	if (!err || status->state == 'S' || (status->blocked & LIBC_SIGNALS) != LIBC_SIGNALS)
		return err;
	/* Not one that the program has sent, or reads by sigwait() or signalfd(): to withdraw ours throws its own away. */
	return signal_loan_take(status->pending | thread_status_own_blocked(), signal_take, ret);
}

/*
 * Many a program blocks all signals for some microseconds, libunwind's allocator and raise() among them, and then runs:
 * so who runs is looked at again, some times.
 */
#define LOOKS_MAX	 20
#define LOOK_INTERVAL_NS 250000

static int signal_find(int tid, int *ret)
{
	const struct timespec interval = {.tv_nsec = LOOK_INTERVAL_NS};
	struct thread_status status;

	for (int looks = 1;; looks++) {
		int err = thread_status_read(tid, &status);

		if (!err)
			err = signal_choose(&status, ret);
		if (err != -EAGAIN || status.state != 'R' || looks == LOOKS_MAX)
			return err;
		nanosleep(&interval, NULL);
	}
}

/* From now on the request is the thread's. */
static int request_ask(struct thread_request *request, int tid, int signal)
{
	request->tid = tid;
	request->signal = signal;
	request_move(request, REQUEST_OWNED, REQUEST_ASKED);

	u64 value = (u64)(request - requests.at) << 32 | atomic_load(&request->word);
	int err = signal_loan_send(signal, tid, value);
	if (!err)
		return 0;
	request_move(request, REQUEST_ASKED, REQUEST_OWNED);
	signal_loan_return(signal, true);
	return err == -ESRCH ? -ESRCH : -EAGAIN;
}

int thread_request_send(const struct thread_question *question, struct thread_request **ret)
{
	int tid, signal;

	own_memory_open();
	thread_copy_prepare();
	requests_settle();

	int err = thread_ident_find(question->ident, &tid);
	if (err)
		return err;
	_cleanup_(request) struct thread_request *request = request_own();
	if (!request)
		return -EAGAIN;
	err = request_new(request, question, question->ident);
	if (!err)
		err = signal_find(tid, &signal);
	if (!err)
		err = request_ask(request, tid, signal);
	if (err)
		return err;
	*ret = take(request);
	return 0;
}

/* Until the word is another one, or it is too late. */
static int word_wait(struct thread_request *request, u32 word, u64 until_ns)
{
	struct timespec until = {.tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S};

	if (!syscall(SYS_futex, &request->word, FUTEX_WAIT_BITSET_PRIVATE, word, &until, NULL, FUTEX_BITSET_MATCH_ANY))
		return 0;
	return errno == EAGAIN || errno == EINTR ? 0 : -ETIMEDOUT;
}

/* Why it will not be answered; 0: it may be. */
static int request_look(const struct thread_request *request)
{
	struct thread_status status;

	if (syscall(SYS_tgkill, getpid(), request->tid, 0) && errno == ESRCH)
		return -ESRCH;
	if (request_state(request) != REQUEST_ASKED || thread_status_read(request->tid, &status))
		return 0;
	/* It has blocked the signal meanwhile, or all for more than an instant. */
	return status.state == 'S' && status.blocked >> (request->signal - 1) & 1 ? -EAGAIN : 0;
}

/* As far as is known; -ETIMEDOUT: it is not over. */
static int request_outcome(const struct thread_request *request)
{
	switch (request_state(request)) {
	case REQUEST_DONE:
		return 0;
	case REQUEST_REFUSED:
		return request->refusal;
	default:
		return -ETIMEDOUT;
	}
}

int thread_request_wait(struct thread_request *request, u64 deadline_ns)
{
	u64 interval_ns = FIRST_LOOK_NS, look_ns = clock_monotonic_ns() + interval_ns;

	for (;;) {
		u64 until_ns = look_ns < deadline_ns ? look_ns : deadline_ns;
		u32 word = atomic_load(&request->word);
		int err = request_outcome(request);

		if (err != -ETIMEDOUT)
			return err;
		if (!word_wait(request, word, until_ns))
			continue;
		err = request_look(request);
		if (err || until_ns == deadline_ns) {
			int outcome = request_outcome(request);

			return outcome == -ETIMEDOUT && err ? err : outcome;
		}
		interval_ns *= 2;
		look_ns = until_ns + interval_ns;
	}
}

const struct thread_copy *thread_request_copy(const struct thread_request *request)
{
	return &request->memory->copy;
}

bool thread_request_free(struct thread_request *request)
{
	if (!request)
		return true;
	if (request_leave(request, REQUEST_ASKED, REQUEST_LOST)) {
		request_settle(request);
		return true;
	}
	if (request_state(request) == REQUEST_TAKING)
		thread_request_wait(request, clock_monotonic_ns() + PATIENCE_NS);
	if (request_leave(request, REQUEST_TAKING, REQUEST_ABANDONED))
		return false;
	if (!request_move(request, REQUEST_DONE, REQUEST_OWNED))
		request_move(request, REQUEST_REFUSED, REQUEST_OWNED);
	if (request->signal)
		signal_loan_return(request->signal, true);
	request_release(request);
	return true;
}

int thread_request_self(const struct thread_question *question, struct thread_request **ret)
{
	own_memory_open();
	thread_copy_prepare();
	requests_settle();

	/* No signal has to find it: there is always one for the asking. */
	_cleanup_(request) struct thread_request *request = request_own();
	if (!request)
		request = calloc(1, sizeof(*request));
	if (!request)
		return -ENOMEM;
	int err = request_new(request, question, (u64)pthread_self());
	if (err)
		return err;
	thread_copy_fill_self(&request->room, &request->memory->copy);
	python_capture(request);
	request_move(request, request_state(request), REQUEST_DONE);
	*ret = take(request);
	return 0;
}

void thread_request_after_fork(void)
{
	own_memory_after_fork();
	signal_loan_after_fork();
	atomic_store(&requests.left_cnt, 0);
	for (size_t i = 0; i < REQUEST_CNT; i++) {
		struct thread_request *request = &requests.at[i];
		u32 word = atomic_load(&request->word);

		if (STATE(word) == REQUEST_FREE)
			continue;
		/* Somebody may have been about to map it, or to unmap: it is left to this process's end. */
		request->memory = NULL;
		request->memory_size = 0;
		atomic_store(&request->word, word - STATE(word) + REQUEST_FREE);
	}
}
