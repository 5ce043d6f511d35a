/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Requests (thread_request.h) to threads that a debugger holds, that are held while they answer, or in a sandbox. */
#include "thread_request.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "build_python.h"
#include "base/own_memory.h"
#include "pyprof/losses.h"
#include "thread_target.h"

#define VERSION	 0x030c01f0
#define SHORT_NS (50 * NS_PER_MS)

TestSuite(thread_debugged, .init = note_dispositions, .timeout = 300);

/*
 * A debugger: a child that traces one of our threads, and does what it is told by single letters
 */

struct debugger {
	int pid, tid;
	int orders[2], reports[2];
};

static char letter_read(int fd)
{
	char letter = 0;

	while (read(fd, &letter, 1) < 0 && errno == EINTR)
		;
	return letter;
}

static void letter_write(int fd, char letter)
{
	if (write(fd, &letter, 1) != 1)
		abort();
}

/* Each stop is reported: S. Orders: p passes the signal on, d drops it. */
static void debugger_pass_signals(const struct debugger *debugger)
{
	int status;

	while (waitpid(debugger->tid, &status, __WALL) == debugger->tid && WIFSTOPPED(status)) {
		letter_write(debugger->reports[1], 'S');
		bool is_passed = letter_read(debugger->orders[0]) == 'p';
		ptrace(PTRACE_CONT, debugger->tid, 0, is_passed ? WSTOPSIG(status) : 0);
	}
}

static void debugger_main(const struct debugger *debugger, bool is_stopping)
{
	if (ptrace(PTRACE_SEIZE, debugger->tid, 0, 0))
		_exit(1);
	if (is_stopping && ptrace(PTRACE_INTERRUPT, debugger->tid, 0, 0))
		_exit(2);
	letter_write(debugger->reports[1], 'A');
	debugger_pass_signals(debugger);
	_exit(0);
}

static void debugger_start(struct debugger *debugger, int tid, bool is_stopping)
{
	debugger->tid = tid;
	cr_assert_eq(pipe(debugger->orders), 0);
	cr_assert_eq(pipe(debugger->reports), 0);
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	debugger->pid = fork();
	if (!debugger->pid)
		debugger_main(debugger, is_stopping);
	close(debugger->orders[0]);
	close(debugger->reports[1]);
	cr_assert_eq(letter_read(debugger->reports[0]), 'A', "this process cannot be traced");
}

/* The kernel lets the thread go. */
static void debugger_stop(struct debugger *debugger)
{
	kill(debugger->pid, SIGKILL);
	cr_assert_eq(waitpid(debugger->pid, NULL, 0), debugger->pid);
}

static struct thread_request *send_to(const struct target *target)
{
	struct thread_question question = question_of(target);
	struct thread_request *request = NULL;

	cr_assert_eq(thread_request_send(&question, &request), 0);
	return request;
}

Test(thread_debugged, a_thread_that_a_debugger_has_stopped_is_not_asked)
{
	struct target target = {.work = work_futex};
	struct debugger debugger;
	struct thread_request *request;

	target_start(&target);
	debugger_start(&debugger, target.tid, true);
	cr_assert_eq(letter_read(debugger.reports[0]), 'S');
	cr_assert(thread_comes_to(target.tid, 't'));
	struct thread_question question = question_of(&target);
	cr_assert_eq(thread_request_send(&question, &request), -EAGAIN);
	cr_assert_eq(changed_disposition(), 0);
	debugger_stop(&debugger);
	cr_assert(thread_request_free(ask_for(&target, STACK_SIZE)));
	target_stop(&target);
}

/* To a request that timed out, and was freed, because a debugger has the signal. */
static void signal_hold(struct target *target, struct debugger *debugger)
{
	target->work = work_nanosleep;
	target_start(target);
	debugger_start(debugger, target->tid, false);
	struct thread_request *request = send_to(target);
	cr_assert_eq(letter_read(debugger->reports[0]), 'S');
	cr_assert_eq(thread_request_wait(request, clock_monotonic_ns() + SHORT_NS), -ETIMEDOUT);
	cr_assert(thread_request_free(request));
}

Test(thread_debugged, a_program_does_not_die_of_a_signal_that_a_debugger_passes_on_late)
{
	struct target target = {0};
	struct debugger debugger;

	signal_hold(&target, &debugger);
	cr_assert_neq(changed_disposition(), 0);
	letter_write(debugger.orders[1], 'p');
	cr_assert(thread_comes_to(target.tid, 'S'));
	/* The next one is passed on at once; with it all is as it was. */
	struct thread_request *request = send_to(&target);
	cr_assert_eq(letter_read(debugger.reports[0]), 'S');
	letter_write(debugger.orders[1], 'p');
	cr_assert_eq(thread_request_wait(request, clock_monotonic_ns() + ENOUGH_NS), 0);
	check_copy(&target, thread_request_copy(request));
	cr_assert(thread_request_free(request));
	struct thread_question self = {.stack_size = STACK_SIZE};
	cr_assert_eq(thread_request_self(&self, &request), 0);
	cr_assert(thread_request_free(request));
	cr_assert_eq(changed_disposition(), 0);
	debugger_stop(&debugger);
	target_stop(&target);
}

Test(thread_debugged, when_a_debugger_has_gone_the_signal_it_held_is_given_back)
{
	struct target target = {0};
	struct debugger debugger;

	signal_hold(&target, &debugger);
	letter_write(debugger.orders[1], 'd');
	debugger_stop(&debugger);
	cr_assert_neq(changed_disposition(), 0);
	cr_assert(thread_request_free(ask_for(&target, STACK_SIZE)));
	cr_assert_eq(changed_disposition(), 0);
	target_stop(&target);
}

/*
 * The walker of Python frames, over memory that waits until it is told to answer
 */

static atomic_bool is_held, is_reached;

/* As much as is built by now. */
static int built_read(const struct remote_memory *memory, u64 address, void *ret, size_t size)
{
	struct remote_memory now = built_memory(memory->bytes);

	return remote_read(&now, address, ret, size);
}

static int held_read(const struct remote_memory *memory, u64 address, void *ret, size_t size)
{
	is_reached = true;
	while (is_held)
		sched_yield();
	return built_read(memory, address, ret, size);
}

/* A thread of one frame, whose caller is itself: so there are as many as a walk can have. */
static u64 state_build(struct built_python *built, u64 ident)
{
	const struct python_layout *l = &built->layout;
	u64 state = built_space(built, l->thread_size), interpreter = built_space(built, 256);
	u64 frame = built_space(built, FRAME_WINDOW), code = built_code(built, "f", "f", "a.py", 7);
	u64 cframe = state + l->thread_size - 64; /* the outermost lies in there */

	built_poke_u64(built, interpreter + l->interpreter_threads, state);
	built_poke_u64(built, state + l->thread_interpreter, interpreter);
	built_poke_u64(built, state + l->thread_id, ident);
	built_poke_u64(built, state + l->thread_frame, cframe);
	built_poke_u64(built, cframe + l->cframe_frame, frame);
	built_poke_u64(built, frame + l->frame_code, code);
	built_poke_u64(built, frame + l->frame_previous, frame);
	return state;
}

static void check_python(const struct thread_copy *copy)
{
	cr_assert(copy->has_python);
	cr_assert_eq(copy->python.end, LOSS_PYTHON_DEPTH, "%d after %u at %llx", copy->python.end, copy->python.cnt,
		     copy->python.fault_address);
	cr_assert_eq(copy->python.cnt, MAX_PYTHON_FRAMES);
	cr_assert_eq(copy->python.addresses[0], copy->python.addresses[MAX_PYTHON_FRAMES - 1]);
}

static struct python_walker *walker_over(struct built_python *built)
{
	static struct remote_memory memory;
	struct python_walker *walker = NULL;

	memory = (struct remote_memory){.read = held_read, .bytes = built};
	cr_assert_eq(python_walker_new(&memory, &built->layout, BUILT_BASE, &walker), 0);
	return walker;
}

Test(thread_debugged, python_frames_are_walked_where_the_thread_is)
{
	struct target target = {.work = work_futex};
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	_cleanup_(python_walker) struct python_walker *walker = walker_over(built);
	struct thread_request *request;

	target_start(&target);
	struct thread_question question = question_of(&target);
	question.walker = walker;
	question.state = state_build(built, question.ident);
	cr_assert_eq(ask(&question, ENOUGH_NS, &request), 0);
	check_copy(&target, thread_request_copy(request));
	check_python(thread_request_copy(request));
	cr_assert(thread_request_free(request));
	question.state = state_build(built, question.ident + 8);
	cr_assert_eq(ask(&question, ENOUGH_NS, &request), 0);
	check_copy(&target, thread_request_copy(request));
	cr_assert_not(thread_request_copy(request)->has_python, "it is another thread's state");
	cr_assert(thread_request_free(request));
	target_stop(&target);
}

Test(thread_debugged, a_thread_that_is_held_while_it_answers_keeps_the_walker)
{
	struct target target = {.work = work_futex};
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	_cleanup_(python_walker) struct python_walker *walker = walker_over(built);
	struct thread_request *request;

	target_start(&target);
	struct thread_question question = question_of(&target);
	question.walker = walker;
	question.state = state_build(built, question.ident);
	is_held = true;
	cr_assert_eq(thread_request_send(&question, &request), 0);
	while (!is_reached)
		sched_yield();
	cr_assert_eq(thread_request_wait(request, clock_monotonic_ns() + SHORT_NS), -ETIMEDOUT);
	cr_assert_not(thread_request_free(request));
	is_held = false;
	/* It finds the request abandoned, answers the next one, and all is as it was. */
	question.walker = NULL;
	cr_assert_eq(ask(&question, ENOUGH_NS, &request), 0);
	cr_assert(thread_request_free(request));
	cr_assert_eq(thread_request_self(&question, &request), 0);
	cr_assert(thread_request_free(request));
	cr_assert_eq(changed_disposition(), 0);
	target_stop(&target);
}

/* A walk of the thread's own, interrupted by one that it is asked for. */
struct own_walk {
	struct target target;
	struct thread_question question;
};

static void *walk_itself(void *arg)
{
	struct own_walk *own = arg;
	struct thread_request *request = NULL;

	own->question.ident = (u64)pthread_self();
	own->question.state = state_build((struct built_python *)own->target.other_stack, own->question.ident);
	cr_assert_eq(thread_request_self(&own->question, &request), 0);
	check_python(thread_request_copy(request));
	cr_assert(thread_request_free(request));
	return NULL;
}

Test(thread_debugged, a_walk_of_ones_own_goes_on_after_one_that_was_asked_for)
{
	_cleanup_(built_python) struct built_python *built = built_python_new(VERSION);
	_cleanup_(built_python) struct built_python *other = built_python_new(VERSION);
	_cleanup_(python_walker) struct python_walker *walker = walker_over(built), *asking = NULL;
	struct own_walk own = {.question = {.stack_size = STACK_SIZE, .walker = walker}, .target.other_stack = built};
	struct remote_memory memory = {.read = built_read, .bytes = other};
	struct thread_request *request;

	cr_assert_eq(python_walker_new(&memory, &other->layout, BUILT_BASE, &asking), 0);
	is_held = true;
	cr_assert_eq(pthread_create(&own.target.thread, NULL, walk_itself, &own), 0);
	while (!is_reached)
		sched_yield();
	struct thread_question question = question_of(&own.target);
	question.walker = asking;
	question.state = state_build(other, question.ident);
	cr_assert_eq(ask(&question, ENOUGH_NS, &request), 0);
	check_python(thread_request_copy(request));
	cr_assert(thread_request_free(request));
	is_held = false;
	pthread_join(own.target.thread, NULL);
}

/*
 * A sandbox without process_vm_readv
 */

static void refuse_reading(void)
{
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = sizeof(program) / sizeof(*program), .filter = program};

	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

/* The file that is read instead; -1: there is none. */
static int memory_file(void)
{
	char path[64], target[256];

	for (int fd = 3; fd < 1024; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t length = readlink(path, target, sizeof(target) - 1);
		if (length > 4 && !memcmp(target + length - 4, "/mem", 4))
			return fd;
	}
	return -1;
}

static void check_answers(void)
{
	struct target target = {.work = work_futex}, self = {.work = work_nanosleep};
	struct thread_question question;
	struct thread_request *request;

	target_start(&target);
	request = ask_for(&target, STACK_SIZE);
	check_copy(&target, thread_request_copy(request));
	cr_assert(thread_request_free(request));
	question = question_of(&self);
	question.ident = ~7ull;
	cr_assert_eq(thread_request_send(&question, &request), -ESRCH);
	target_stop(&target);
	cr_assert_eq(changed_disposition(), 0);
}

Test(thread_debugged, where_process_vm_readv_is_refused_memory_is_read_as_a_file)
{
	refuse_reading();
	check_answers();
	cr_assert_geq(memory_file(), 0);
}

Test(thread_debugged, where_somebody_closed_the_file_it_is_opened_again)
{
	refuse_reading();
	check_answers();
	int fd = memory_file(), zeros = open("/dev/zero", O_RDONLY);
	cr_assert_eq(dup2(zeros, fd), fd);
	check_answers();
	cr_assert_neq(memory_file(), fd, "it is not ours to close");
}

Test(thread_debugged, a_child_reads_its_own_memory)
{
	static u64 word = 1;
	u64 copy = 0;
	int status;

	refuse_reading();
	own_memory_open();
	int pid = fork();
	if (!pid) {
		word = 2;
		own_memory_after_fork();
		own_memory_open();
		_exit(own_memory_read_some((u64)&word, &copy, sizeof(copy)) == sizeof(copy) && copy == 2 ? 0 : 1);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	cr_assert_eq(own_memory_read_some((u64)&word, &copy, sizeof(copy)), sizeof(copy));
	cr_assert_eq(copy, 1);
}
