/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/gil.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live_python.h"

#define SCRIPT	      "tests/unit/data/gil.py" /* says what it does */
#define SYSCALL_FUTEX 202
#define LOOKS	      60000 /* at most, for the machine may be busy */

static struct python_objects objects_of(const struct live_python *python)
{
	struct python_objects objects;

	cr_assert_eq(python_objects_init(&objects, &python->memory, &python->file.layout, python->runtime), 0, "%s",
		     python->name);
	return objects;
}

static u64 current_of(const struct live_python *python)
{
	return python->file.current ? python->file.current + python->runtime - python->file.runtime : 0;
}

static struct python_gil gil_of(const struct live_python *python, const struct python_objects *objects, u64 current)
{
	struct python_interpreter interpreter;
	struct python_gil gil;
	size_t cnt = 1;

	cr_assert_eq(interpreter_list_read(objects, &interpreter, &cnt), 0);
	cr_assert_eq(cnt, 1);
	cr_assert_eq(interpreter.id, 0);
	cr_assert_eq(gil_read(objects, current, interpreter.address, &gil), 0, "%s", python->name);
	return gil;
}

static void all_run(const struct live_python *python)
{
	char line[16];

	fputs("\n", python->input);
	fflush(python->input);
	cr_assert(fgets(line, sizeof(line), python->output), "%s is gone", python->name);
}

/* Which of the busy threads has this PyThreadState, counted from 1; 0: none of them. */
static int busy_index(const struct live_python *python, const struct python_objects *objects, u64 state)
{
	int i = 1;
	u64 ident;

	if (object_word(objects, state + objects->layout->thread_id, &ident))
		return 0;
	for (const char *fact = NULL; (fact = live_python_fact(python, "busy", fact)); i++)
		if (strtoull(fact + strlen("busy "), NULL, 16) == ident)
			return i;
	return 0;
}

static void check_holder(const struct live_python *python, const struct python_objects *objects, u64 current)
{
	size_t held[3] = {0};

	for (int i = 0; i < LOOKS && !(held[1] && held[2]); i++) {
		struct python_gil gil = gil_of(python, objects, current);

		cr_assert_eq(gil.exists, !python->file.layout.free_threaded, "%s", python->name);
		if (!gil.exists)
			return;
		held[gil.holder ? busy_index(python, objects, gil.holder) : 0]++;
		usleep(1000);
	}
	/* Each has it for 5 ms (2.7: as long as 100 instructions or more take), and while it is handed over nobody has. */
	cr_expect_gt(held[1], 0, "%s: of %d looks: %zu, %zu, nobody %zu", python->name, LOOKS, held[1], held[2],
		     held[0]);
	cr_expect_gt(held[2], 0, "%s: of %d looks: %zu, %zu, nobody %zu", python->name, LOOKS, held[1], held[2],
		     held[0]);
}

/* The futex words that threads of the process wait on now, as the kernel says. */
static size_t futexes_of(int pid, u64 *ret, size_t max)
{
	char path[64];
	size_t cnt = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	_cleanup_(directory) DIR *threads = opendir(path);
	cr_assert(threads);
	for (struct dirent *thread; cnt < max && (thread = readdir(threads));) {
		char file[400];
		long number;

		snprintf(file, sizeof(file), "%s/%s/syscall", path, thread->d_name);
		_cleanup_(stream) FILE *in = fopen(file, "r");
		if (in && fscanf(in, "%ld %llx", &number, &ret[cnt]) == 2 && number == SYSCALL_FUTEX)
			cnt++;
	}
	return cnt;
}

static bool main_reads(int pid)
{
	char path[64];
	long number;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, pid);
	_cleanup_(stream) FILE *in = fopen(path, "r");
	return in && fscanf(in, "%ld", &number) == 1 && number == 0;
}

/* Until its two threads are in go.wait(), outside of the GIL, and its main thread reads; ret: the futexes of the two. */
static void wait_until_nobody_runs(const struct live_python *python, const struct python_gil *gil, u64 ret[8])
{
	int calm =
		0; /* looks in a row: threads are looked at one after the other, and 2.7 does not tell its GIL from a lock */

	for (int i = 0; i < LOOKS && calm < 4; i++) {
		size_t cnt = futexes_of(python->pid, ret, 8), outside = 0;

		for (size_t j = 0; j < cnt; j++)
			outside += ret[j] < gil->start || ret[j] >= gil->end;
		calm = cnt == 2 && outside == 2 && main_reads(python->pid) ? calm + 1 : 0;
		usleep(5000);
	}
	if (calm == 4)
		return;
	cr_assert_fail("%s: its threads do not come to rest outside of the GIL", python->name);
}

static void check_holders(const struct live_python *python)
{
	struct python_objects objects = objects_of(python);
	struct python_gil gil = gil_of(python, &objects, current_of(python));
	u64 futexes[8];

	wait_until_nobody_runs(python, &gil, futexes);
	cr_expect_eq(gil_of(python, &objects, current_of(python)).holder, 0, "%s: nobody runs yet", python->name);
	all_run(python);
	check_holder(python, &objects, current_of(python));
	if (objects.object.gil_holder != ABSENT)
		check_holder(python, &objects, 0);
}

Test(gil, holder_is_one_of_those_that_run)
{
	for_each_live_python_running(SCRIPT, 0, check_holders);
}

static void check_waiters(const struct live_python *python)
{
	struct python_objects objects = objects_of(python);
	struct python_gil gil = gil_of(python, &objects, current_of(python));
	size_t waiting = 0;
	u64 futexes[8];

	if (!gil.exists)
		return;
	if (!gil.start) {
		cr_assert(objects.object.gil_condition == ABSENT && !gil.end);
		return;
	}
	wait_until_nobody_runs(python, &gil, futexes);
	all_run(python);
	for (int i = 0; i < LOOKS && waiting < 5; i++) {
		size_t cnt = futexes_of(python->pid, futexes, 8);

		for (size_t j = 0; j < cnt; j++)
			waiting += futexes[j] >= gil.start && futexes[j] < gil.end;
		usleep(1000);
	}
	cr_expect_geq(waiting, 5, "%s: one of two waits for the GIL: seen %zu times", python->name, waiting);
}

Test(gil, futex_of_those_that_wait_lies_inside)
{
	for_each_live_python_running(SCRIPT, 0, check_waiters);
}

static void check_running(const struct live_python *python)
{
	struct python_objects objects = objects_of(python);
	enum runtime_state state;

	cr_assert_eq(runtime_state_read(&objects, &state), 0);
	cr_expect_eq(state, RUNTIME_RUNNING, "%s: %d", python->name, state);
}

Test(gil, runtime_that_runs_is_running)
{
	for_each_live_python_running(SCRIPT, 0, check_running);
}

static void check_finalizing(const struct live_python *python)
{
	struct python_objects objects = objects_of(python);
	enum runtime_state state;

	all_run(python); /* or rather ends */
	cr_assert_eq(runtime_state_read(&objects, &state), 0);
	cr_expect_eq(state, objects.object.runtime_finalizing == ABSENT ? RUNTIME_RUNNING : RUNTIME_FINALIZING,
		     "%s: %d", python->name, state);
}

Test(gil, runtime_that_ends_is_finalizing)
{
	for_each_live_python_running("tests/unit/data/finalizing.py", 0, check_finalizing);
}

Test(gil, runtime_is_starting_as_long_as_nothing_is_initialised)
{
	static const u8 nothing[4096];
	struct remote_memory memory = remote_memory_of_bytes(nothing, sizeof(nothing), 0x1000);
	static const u32 versions[] = {0x02070000, 0x03060000, 0x03080000, 0x030b0000, 0x030d0000};
	struct python_layout layout = {0};
	struct python_objects objects = {.memory = &memory, .layout = &layout, .runtime = 0x1000};

	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		enum runtime_state state = RUNTIME_RUNNING;
		struct python_interpreter interpreter;
		size_t cnt = 1;

		cr_assert_eq(object_layout_of_version(versions[i], false, &objects.object), 0);
		cr_assert_eq(runtime_state_read(&objects, &state), 0);
		cr_assert_eq(state, RUNTIME_STARTING);
		cr_assert_eq(interpreter_list_read(&objects, &interpreter, &cnt), -ENOENT);
	}
}

static void check_interpreters(const struct live_python *python)
{
	struct python_objects objects = objects_of(python);
	struct python_interpreter interpreters[8];
	size_t cnt = 8, told = 0;

	cr_assert_eq(interpreter_list_read(&objects, interpreters, &cnt), 0);
	for (const char *fact = NULL; (fact = live_python_fact(python, "interpreter", fact)); told++) {
		cr_assert_lt(told, cnt, "%s: only %zu", python->name, cnt);
		cr_expect_eq(interpreters[cnt - 1 - told].id, strtoull(fact + strlen("interpreter "), NULL, 10), "%s",
			     python->name);
	}
	cr_expect_eq(told, cnt, "%s: %zu of %zu", python->name, cnt, told);
	/* Without room for all, the newest are given, with the numbers that they have. */
	if (cnt > 1 && objects.object.interpreter_id != ABSENT) {
		struct python_interpreter newest;
		size_t one = 1;

		cr_assert_eq(interpreter_list_read(&objects, &newest, &one), 0);
		cr_assert_eq(newest.id, interpreters[0].id);
	}
}

Test(gil, interpreters_have_the_numbers_that_python_gives_them)
{
	for_each_live_python_running("tests/unit/data/interpreters.py", 0, check_interpreters);
}

/* A free-threaded build has a GIL, switched off. */
Test(gil, that_is_switched_off_does_not_exist)
{
	u8 bytes[4096] = {0};
	struct remote_memory memory = remote_memory_of_bytes(bytes, sizeof(bytes), 0x1000);
	struct python_layout layout = {0};
	struct python_objects objects = {.memory = &memory, .layout = &layout, .runtime = 0x1000};
	u64 gil_address = 0x1800, holder = 0x7f0000001230;
	s32 on = 1;
	struct python_gil gil;

	cr_assert_eq(object_layout_of_version(0x030e0000, true, &objects.object), 0);
	memcpy(bytes + objects.object.interpreter_gil, &gil_address, sizeof(gil_address));
	memcpy(bytes + 0x800 + objects.object.gil_holder, &holder, sizeof(holder));
	memcpy(bytes + 0x800 + objects.object.gil_locked, &on, sizeof(on));
	cr_assert_eq(gil_read(&objects, 0, 0x1000, &gil), 0);
	cr_assert(!gil.exists && !gil.holder);

	memcpy(bytes + 0x800 + objects.object.gil_enabled, &on, sizeof(on));
	cr_assert_eq(gil_read(&objects, 0, 0x1000, &gil), 0);
	cr_assert(gil.exists && gil.holder == holder);
}
