/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "capture/thread_capture.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "live_python.h"
#include "pyprof/losses.h"

#define THREADS_MAX 64

/* By DWARF number. (Criterion brings the REG_RSP of <ucontext.h>, which is another.) */
#define SP 7
#define IP 16

struct listed {
	struct thread_record records[THREADS_MAX];
	size_t cnt;
};

static int remember(void *ctx, const struct thread_record *record)
{
	struct listed *listed = ctx;

	cr_assert_lt(listed->cnt, THREADS_MAX);
	listed->records[listed->cnt++] = *record;
	return 0;
}

static struct thread_capture *capture_or_skip(void)
{
	const struct thread_capture_options options = {.kernel_stacks = true};
	struct thread_capture *capture = NULL;
	const char *step = NULL;
	int err = thread_capture_open(&options, &capture, &step);

	if (err == -EPERM || err == -EACCES)
		cr_skip_test("needs the right to load BPF programs");
	cr_assert_eq(err, 0, "%s: %s", step, strerror(-err));
	return capture;
}

static void list(struct thread_capture *capture, u32 pid, struct listed *ret)
{
	ret->cnt = 0;
	int err = thread_capture_list(capture, pid, true, remember, ret);
	cr_assert_eq(err, 0, "%s", strerror(-err));
}

/* ---- threads that hold still, against /proc */

static char *proc_read(int pid, u32 tid, const char *name)
{
	char path[64];
	char *text = NULL;
	size_t size;

	snprintf(path, sizeof(path), "/proc/%d/task/%u/%s", pid, tid, name);
	cr_assert_eq(file_read(path, 65536, &text, &size), 0, "%s", path);
	return text;
}

/* Which one is it? Tids begin anew one day: the main thread's is not always the least. */
static const struct thread_record *listed_of_ident(const struct listed *listed, u64 ident)
{
	for (size_t i = 0; i < listed->cnt; i++)
		if (listed->records[i].thread_pointer == ident)
			return &listed->records[i];
	cr_assert_fail("no thread has the pointer %#lx", (unsigned long)ident);
	return NULL;
}

static u64 status_number(const char *status, const char *name)
{
	const char *line = strstr(status, name);

	cr_assert(line, "%s", name);
	return strtoull(line + strlen(name), NULL, 10);
}

static void check_status(int pid, const struct thread_record *record)
{
	_cleanup_(free) char *status = proc_read(pid, record->tid, "status"),
			     *comm = proc_read(pid, record->tid, "comm");
	char name[THREAD_COMM_SIZE + 2];

	snprintf(name, sizeof(name), "%.16s\n", record->comm);
	cr_assert_str_eq(name, comm);
	cr_assert_eq(record->state, (u32)strstr(status, "State:\t")[7]);
	cr_assert_eq(record->switches, status_number(status, "\nvoluntary_ctxt_switches:\t") +
					       status_number(status, "nonvoluntary_ctxt_switches:\t"));
	cr_assert_eq(record->process.pid, pid);
	cr_assert_eq(record->flags, THREAD_IN_SYSCALL, "tid %u: flags %#x", record->tid, record->flags);
}

static void check_syscall(int pid, const struct thread_record *record)
{
	_cleanup_(free) char *text = proc_read(pid, record->tid, "syscall");
	unsigned long long number, arguments[6], sp, pc;

	cr_assert_eq(sscanf(text, "%llu %llx %llx %llx %llx %llx %llx %llx %llx", &number, &arguments[0], &arguments[1],
			    &arguments[2], &arguments[3], &arguments[4], &arguments[5], &sp, &pc),
		     9, "%s", text);
	cr_assert_eq(record->syscall, number);
	cr_assert_eq(memcmp(record->arguments, arguments, sizeof(arguments)), 0);
	cr_assert_eq(record->registers[SP], sp, "tid %u: %#llx, not %s", record->tid, record->registers[SP], text);
	cr_assert_eq(record->registers[IP], pc);
}

/* One line of a frame each. */
static void check_kernel_stack(int pid, const struct thread_record *record)
{
	_cleanup_(free) char *text = proc_read(pid, record->tid, "stack");
	u32 cnt = 0;

	for (const char *at = text; (at = strchr(at, '\n')); at++)
		cnt++;
	cr_assert_gt(cnt, 1);
	cr_assert_eq(record->kernel_cnt, cnt, "tid %u: %u frames, not\n%s", record->tid, record->kernel_cnt, text);
}

static size_t thread_cnt(int pid)
{
	_cleanup_(free) char *status = proc_read(pid, pid, "status");

	return status_number(status, "\nThreads:\t");
}

/* Its script has said all; now its main thread is on its way to read its input. */
static void wait_until_it_reads(int pid)
{
	for (size_t i = 0; i < 60000; i++) {
		_cleanup_(free) char *text = proc_read(pid, pid, "syscall");

		if (!strncmp(text, "0 ", 2))
			return;
		usleep(1000);
	}
	cr_assert_fail("it does not read");
}

/* How often its threads have left a CPU by themselves; 0: one of them is not asleep in a system call. */
static u64 switches_at_rest(int pid)
{
	char path[64];
	u64 sum = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	_cleanup_(directory) DIR *tasks = opendir(path);
	cr_assert(tasks);
	for (struct dirent *entry; (entry = readdir(tasks));) {
		if (entry->d_name[0] == '.')
			continue;
		u32 tid = strtoul(entry->d_name, NULL, 10);
		_cleanup_(free) char *syscall = proc_read(pid, tid, "syscall"), *status = proc_read(pid, tid, "status");
		if (!isdigit(*syscall) || strstr(status, "State:\t")[7] != 'S')
			return 0;
		sum += status_number(status, "\nvoluntary_ctxt_switches:\t");
	}
	return sum;
}

/* All of its threads: who waits for the GIL wakes up every few milliseconds. */
static void wait_until_all_rest(int pid)
{
	u64 before = 0;

	for (size_t i = 0; i < 2000; i++) {
		u64 now = switches_at_rest(pid);

		if (now && now == before)
			return;
		before = now;
		usleep(30000);
	}
	cr_assert_fail("its threads do not come to rest");
}

static void check_parked(const struct live_python *python)
{
	_cleanup_(thread_capture) struct thread_capture *capture = capture_or_skip();
	struct listed listed;

	wait_until_it_reads(python->pid);
	wait_until_all_rest(python->pid);
	list(capture, python->pid, &listed);
	cr_assert_eq(listed.cnt, thread_cnt(python->pid));
	for (size_t i = 0; i < listed.cnt; i++) {
		cr_assert(!i || listed.records[i].tid > listed.records[i - 1].tid);
		check_status(python->pid, &listed.records[i]);
		check_syscall(python->pid, &listed.records[i]);
		check_kernel_stack(python->pid, &listed.records[i]);
	}
	const char *fact = live_python_fact(python, "thread", NULL);
	cr_assert_neq(listed_of_ident(&listed, strtoull(fact + strlen("thread "), NULL, 16))->tid, python->pid);
}

Test(thread_capture, threads_that_hold_still_are_as_proc_says, .timeout = 600)
{
	for_each_live_python_running("tests/unit/data/parked.py", 0x03000000, check_parked);
}

Test(thread_capture, of_no_process_there_is_none)
{
	_cleanup_(thread_capture) struct thread_capture *capture = capture_or_skip();
	struct listed listed = {0};
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	cr_assert_eq(thread_capture_list(capture, pid, false, remember, &listed), -ESRCH);
}

static int stop_at_once(void *ctx, const struct thread_record *record)
{
	++*(int *)ctx;
	return -ENOSPC;
}

Test(thread_capture, of_the_host_has_every_process_until_the_visit_has_enough)
{
	_cleanup_(thread_capture) struct thread_capture *capture = capture_or_skip();
	int visits = 0;

	cr_assert_eq(thread_capture_list(capture, 0, false, stop_at_once, &visits), -ENOSPC);
	cr_assert_eq(visits, 1);
}

/* ---- while threads end */

#define PASSINGS 40
#define PASSING	 400 /* that end one after the other; each has a newer one behind it that stays */

static void *stay(void *none)
{
	prctl(PR_SET_NAME, "stays");
	for (;;)
		pause();
	return NULL;
}

static int passing_begins[2]; /* when the other end is closed */

static void *pass_by(void *number)
{
	char ignored;

	if (!read(passing_begins[0], &ignored, 1))
		usleep(25 * (unsigned int)(size_t)number);
	return NULL;
}

static pid_t passing_start(void)
{
	cr_assert_eq(pipe(passing_begins), 0);
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(passing_begins[1]);
	for (size_t i = 0; i < PASSING; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, pass_by, (void *)i) || pthread_create(&thread, NULL, stay, NULL))
			_exit(1);
	}
	for (;;)
		pause();
}

struct census {
	size_t staying, all;
};

static int count_staying(void *ctx, const struct thread_record *record)
{
	struct census *census = ctx;

	census->staying += !strcmp(record->comm, "stays");
	census->all++;
	return 0;
}

static size_t passing_watch(struct thread_capture *capture)
{
	pid_t pid = passing_start();
	struct census census = {0};
	size_t lists = 0;

	while (census.staying < PASSING) {
		census = (struct census){0};
		cr_assert_eq(thread_capture_list(capture, pid, false, count_staying, &census), 0);
	}
	close(passing_begins[1]);
	for (; census.all > PASSING + 1; lists++) {
		census = (struct census){0};
		cr_assert_eq(thread_capture_list(capture, pid, false, count_staying, &census), 0);
		cr_expect_eq(census.staying, PASSING, "list %zu: %zu of %d", lists, census.staying, PASSING);
	}
	close(passing_begins[0]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return lists;
}

/* The kernel's list breaks off where a thread ends that it has just come to: it takes many to meet one. */
Test(thread_capture, threads_that_stay_are_listed_while_others_end, .timeout = 600)
{
	_cleanup_(thread_capture) struct thread_capture *capture = capture_or_skip();
	size_t lists = 0;

	/* Each has one list at least: a busy machine, where that is all, needs more of them. */
	for (int i = 0; i < PASSINGS || lists <= 2 * PASSINGS; i++)
		lists += passing_watch(capture);
}

/* ---- since when */

struct sleeper {
	pid_t pid;
	int says, wakes; /* pipes' ends */
};

/* Says when it goes to sleep, each time before it does, until it is woken. */
static void sleeper_start(struct sleeper *sleeper)
{
	int says[2], wakes[2];
	char byte;

	cr_assert_eq(pipe(says) | pipe(wakes), 0);
	sleeper->pid = fork();
	cr_assert_geq(sleeper->pid, 0);
	if (!sleeper->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			u64 now = clock_monotonic_ns();

			if (write(says[1], &now, sizeof(now)) != sizeof(now) || read(wakes[0], &byte, 1) != 1)
				_exit(1);
		}
	}
	close(says[1]);
	close(wakes[0]);
	sleeper->says = says[0];
	sleeper->wakes = wakes[1];
}

/* It begins to sleep after what it says, and before it is seen asleep. Is the answer between the two, but for 10 ms? */
static bool is_right_after(struct thread_capture *capture, const struct sleeper *sleeper, unsigned int wait_us)
{
	const u64 slack_ns = 10 * NS_PER_MS;
	struct listed listed;
	u64 said_ns;

	cr_assert_eq(read(sleeper->says, &said_ns, sizeof(said_ns)), (ssize_t)sizeof(said_ns));
	while (!switches_at_rest(sleeper->pid))
		usleep(500);
	u64 seen_ns = clock_monotonic_ns();
	usleep(wait_us);
	list(capture, sleeper->pid, &listed);
	cr_assert_eq(write(sleeper->wakes, "", 1), 1);
	cr_assert_eq(listed.cnt, 1);
	cr_assert_neq(listed.records[0].off_cpu_ns, 0);
	u64 began_ns = listed.records[0].record.time_ns - listed.records[0].off_cpu_ns;
	return began_ns + slack_ns >= said_ns && began_ns <= seen_ns + slack_ns;
}

/*
 * The kernel side looks at two clocks one after the other, and may lose the CPU in between: on a machine so busy that it
 * does every third time, one of the eight is wrong thirty times in a row once in 10^13 runs. Who is wrong always is found.
 */
Test(thread_capture, knows_for_how_long_a_thread_has_slept, .timeout = 300)
{
	_cleanup_(thread_capture) struct thread_capture *capture = capture_or_skip();
	struct sleeper sleeper;

	sleeper_start(&sleeper);
	for (unsigned int i = 0; i < 8; i++) {
		unsigned int tries = 1;

		while (!is_right_after(capture, &sleeper, 20000 + 40000 * i) && tries < 30)
			tries++;
		cr_assert_lt(tries, 30, "after %u ms", 20 + 40 * i);
	}
	kill(sleeper.pid, SIGKILL);
	waitpid(sleeper.pid, NULL, 0);
	close(sleeper.says);
	close(sleeper.wakes);
}

/* ---- threads that never hold still */

#define TAKE_TIMEOUT_NS (60 * NS_PER_S) /* it is over when one was taken */

struct caught {
	const struct live_python *python;
	const char *codes; /* what it should execute */
	u64 thread_pointer;
	size_t cnt;
};

static void check_codes(const struct caught *caught, const struct sample *sample)
{
	const struct python_frame *frames = sample_python(sample);
	const char *fact = caught->codes;
	unsigned long long code;
	int size;
	u32 i = 0;

	cr_assert_eq(sample->python_end, LOSS_NONE, "%s: ended with %u", caught->python->name, sample->python_end);
	for (; sscanf(fact, "%*[ ]%llx%n", &code, &size) == 1; fact += size, i++)
		cr_assert(i < sample->python_cnt && (frames[i].code & ~PYTHON_RUN_BEGIN) == code,
			  "%s: another code object at depth %u of %u", caught->python->name, i, sample->python_cnt);
	cr_assert_eq(i, sample->python_cnt, "%s: %u frames, not %u", caught->python->name, sample->python_cnt, i);
}

static void check_stack(const struct caught *caught, const struct thread_sample *sample)
{
	const struct stack_record *stack = sample->stack;
	u64 sp = stack->registers[SP], words[8];
	const u8 *copy = (const u8 *)(stack + 1) + (sp - stack->stack_start);

	cr_assert(sp >= stack->stack_start && sp < stack->stack_start + stack->stack_size,
		  "%s: %#llx is not in %#llx + %#x", caught->python->name, sp, stack->stack_start, stack->stack_size);
	cr_assert(sp < caught->thread_pointer && caught->thread_pointer - sp < 16 << 20);
	cr_assert_eq(stack->registers[IP], sample->sample->ip);
	cr_assert_eq(stack->run_cnt, sample->sample->run_cnt);
	/* Whoever called main's thread is still there: far outward nothing changes. */
	u64 size = stack->stack_size - (sp - stack->stack_start);
	cr_assert_gt(size, 2048);
	cr_assert_eq(remote_read(&caught->python->memory, sp + size - sizeof(words), words, sizeof(words)), 0);
	cr_assert_eq(memcmp(copy + size - sizeof(words), words, sizeof(words)), 0, "%s: another stack",
		     caught->python->name);
}

static int on_caught(void *ctx, const struct thread_sample *sample)
{
	struct caught *caught = ctx;

	cr_assert_eq(sample->sample->thread_pointer, caught->thread_pointer);
	cr_assert(sample->stack, "%s: no stack", caught->python->name);
	check_codes(caught, sample->sample);
	check_stack(caught, sample);
	caught->cnt++;
	return 0;
}

static void check_spinning(const struct live_python *python)
{
	_cleanup_(thread_capture) struct thread_capture *capture = capture_or_skip();
	const char *fact = live_python_fact(python, "thread", NULL);
	struct caught caught = {.python = python};
	unsigned long long ident;
	struct listed listed;
	int size;

	cr_assert_eq(sscanf(fact, "thread %llx%n", &ident, &size), 1);
	caught.thread_pointer = ident;
	caught.codes = fact + size;
	wait_until_it_reads(python->pid); /* or they would hand the GIL to each other */
	list(capture, python->pid, &listed);
	cr_assert_eq(listed.cnt, 2);
	const struct thread_record *spinning = listed_of_ident(&listed, ident);
	const u32 main_tid = python->pid;

	cr_assert_eq(spinning->state, 'R');
	/* One that lost the CPU on its way out of a system call is in there still. */
	cr_assert(spinning->flags & (THREAD_ON_CPU | THREAD_RUNNABLE), "%s: flags %#x", python->name, spinning->flags);
	/* Twice: the second one's parts are whole, too. */
	for (size_t i = 1; i <= 2; i++) {
		cr_assert_eq(thread_capture_sample(capture, &spinning->process, &python->file.layout, python->runtime,
						   &spinning->tid, 1, TAKE_TIMEOUT_NS, on_caught, &caught),
			     0);
		cr_assert_eq(caught.cnt, i, "%s: %zu samples", python->name, caught.cnt);
	}
	/* The main thread holds still: there is none of it, and that is no error. */
	cr_assert_eq(thread_capture_sample(capture, &spinning->process, &python->file.layout, python->runtime,
					   &main_tid, 1, 20 * NS_PER_MS, on_caught, &caught),
		     0);
	cr_assert_eq(caught.cnt, 2);
}

Test(thread_capture, a_thread_that_never_holds_still_is_taken_while_it_runs, .timeout = 600)
{
	for_each_live_python_running("tests/unit/data/spinning.py", 0, check_spinning);
}
