/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * snapshot.h - the threads of one process at one moment, each with its stack, its
 * state and what it waits for. Made by dumper.c, read by the formats; plain
 * data in between. All strings are UTF-8, borrowed from the snapshot.
 *
 * No thread is stopped, so the moment is one for each thread: a stack counts only
 * when its thread did not run while it was read (enum taken says how it was got).
 */
#ifndef PYPROF_SNAPSHOT_H
#define PYPROF_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "profile/frame_table.h"
#include "pyprof/thread_record.h"

enum dump_native { DUMP_NATIVE_NONE, DUMP_NATIVE_LAST, DUMP_NATIVE_ALL };

struct snapshot_options {
	enum dump_native
		native; /* LAST: only what lies inside of the innermost Python frame, or all where there is none */
	bool kernel; /* kernel frames */
	bool locals;
	bool tasks; /* of asyncio */
	bool threads_only; /* no stacks: names and states alone */
	bool stacks_only; /* neither the threads' names nor what they wait for, nor who has it */
	bool running; /* who runs is sampled at once, not read when it stops: so the one who has the GIL is seen with it */
	bool freeze; /* stop the process for as long as it takes */
	bool native_threads; /* also those without a PyThreadState */
};

/* An argument or a local variable, read without running any code of the target. */
struct dump_variable {
	const char *name;
	const char *value; /* as repr() would say it, bounded; `<Type at 0x...>` of what is not looked into */
	bool is_argument;
};

struct dump_frame {
	enum frame_kind kind;
	const char *function; /* plain co_name for Python: see qualname */
	const char *qualname; /* Python, where the version has it; else as function */
	const char *file; /* co_filename, or the name of the library; "" for kernel frames */
	u32 line; /* 0: unknown */
	u64 address; /* of the Python frame object; else 0 */
	const struct dump_variable *variables;
	size_t variable_cnt;
};

/* How a thread's stack was got. */
enum taken {
	TAKEN_NOT, /* it was not: `loss` says why */
	TAKEN_AT_REST, /* the thread did not run while it was read */
	TAKEN_ON_CPU, /* by a sample, on its own CPU */
	TAKEN_FROZEN, /* the process was stopped */
};

enum wait_kind {
	WAIT_NONE, /* it runs, or could: see activity */
	WAIT_GIL, /* owner: who holds it */
	WAIT_LOCK, /* a lock of Python's: owner where known */
	WAIT_FUTEX, /* something else that sleeps on a word of memory */
	WAIT_FD, /* a system call on a file descriptor */
	WAIT_SYSCALL, /* any other system call */
	WAIT_OTHER, /* in the kernel without one: a page fault, a stop */
	WAIT_THREAD, /* the end of another thread, its owner: it is joined */
};

struct dump_wait {
	enum wait_kind kind;
	const char *syscall; /* "read"; NULL: none */
	int fd; /* WAIT_FD; else -1 */
	const char *on; /* "socket 10.0.0.1:443", "/var/log/x", "pipe", "lock 0x7f..."; "" when not known */
	u64 address; /* of the futex word or the lock object */
	u32 owner_tid; /* 0: not known */
	bool owner_inferred; /* not a fact: see deadlock.h */
	u32 others; /* other threads of the process that wait for the same */
};

struct dump_thread {
	u32 tid; /* 0: the PyThreadState has no living thread */
	u64 ident; /* threading.get_ident(); 0: has no PyThreadState */
	u64 state; /* address of the PyThreadState; 0: none */
	u32 interpreter; /* id of its interpreter: 0 is the main one */
	const char *name; /* threading.Thread.name; "" when not known */
	char comm[THREAD_COMM_SIZE];
	bool is_main;
	bool holds_gil; /* when its stack was read */
	bool had_gil; /* when the snapshot began, and nobody did later on: it gave it up before it stood to be read */
	struct thread_record record; /* without its kernel stack; all zero when tid is 0 */
	struct dump_wait wait;

	enum taken taken;
	u8 loss; /* enum loss: why the stack is not there, or where it was cut; LOSS_NONE: whole */
	const struct dump_frame *frames; /* innermost first */
	size_t frame_cnt;
	size_t python_cnt; /* of these, of kind FRAME_PYTHON */
};

/*
 * Whom people call the holder of the GIL: who was read with it, or had it last before. A thread that runs
 * Python is mostly read when it stands, which is when it has just given the GIL up.
 */
static inline bool dump_thread_has_star(const struct dump_thread *thread)
{
	return thread->holds_gil || thread->had_gil;
}

/* A task of asyncio (inspect/asyncio_tasks.h), as a tree: awaited_by leads to the root. */
struct dump_task {
	u64 address;
	u32 interpreter;
	u64 loop_ident; /* of the thread that runs its event loop; 0: not known */
	const char *name;
	const char *state; /* "running", "ready" (its loop has not come to it yet), "waiting", "done" */
	const struct dump_frame *frames; /* its coroutines, innermost first; of a running one all that it called */
	size_t frame_cnt;
	bool cut; /* its innermost coroutines are not there: there are too many */
	const u64 *awaited_by; /* addresses of the tasks that await this one */
	size_t awaited_by_cnt;
};

/* Threads that wait for each other in a ring: each for what the next one has. */
struct dump_deadlock {
	const size_t *threads; /* indices in `threads` */
	size_t cnt;
};

/* Whether the tasks of a snapshot are all that there are. The greater one of two interpreters is the process's. */
enum tasks_read {
	TASKS_NOT_ASKED,
	TASKS_ALL,
	TASKS_SOME, /* others came and went too fast, are too many or could not be read */
	TASKS_UNSUPPORTED, /* where this version keeps them is not known */
};

enum python_phase { PYTHON_NONE, PYTHON_UNSUPPORTED, PYTHON_STARTING, PYTHON_RUNNING, PYTHON_FINALIZING };

struct snapshot {
	u32 pid;
	int err; /* why there are no threads: what dumper_take() answered; 0: it could be looked into */
	const char *command_line; /* arguments separated by blanks; never with a line break */
	const char *exe;
	const char *cgroup; /* path */
	enum python_phase phase;
	u32 version; /* PY_VERSION_HEX; 0: no CPython */
	bool free_threaded;
	u64 runtime; /* address of its _PyRuntime; 0: none */
	bool has_native; /* native frames were asked for and could be read */

	struct dump_thread
		*threads; /* interpreters in their order, in each the newest thread first; then those without a state */
	size_t thread_cnt;
	const struct dump_task *tasks;
	size_t task_cnt;
	enum tasks_read tasks_read;
	const struct dump_deadlock *deadlocks;
	size_t deadlock_cnt;

	u64 wall_ns; /* what it took */
	u64 frozen_ns; /* for how long the process was stopped */
	u32 reread_cnt; /* stacks that were read again, for their thread ran meanwhile */
};

struct snapshot_counts {
	size_t read; /* threads that are there with what was asked for, whole or cut */
	size_t lost; /* those whose stack could not be read */
};

/* Without those PyThreadStates that have neither a living thread nor a stack. */
struct snapshot_counts snapshot_count(const struct snapshot *snapshot);

/* One without threads. */
int snapshot_new(u32 pid, struct snapshot **ret);
/* Room in it, zeroed; NULL: memory is short. */
void *snapshot_room(struct snapshot *snapshot, size_t cnt, size_t size);
/* A copy in it, each text once; made valid UTF-8 without control characters. NULL: memory is short. */
const char *snapshot_text(struct snapshot *snapshot, const char *text);

void snapshot_free(struct snapshot *snapshot);
DEFINE_CLEANUP(snapshot, struct snapshot *, snapshot_free)

#endif
