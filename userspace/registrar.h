/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * registrar.h - tells the kernel side what user space found out about a process:
 * where its CPython is, how it is laid out, which PyThreadState belongs to which
 * thread, and (through the supplier) what it has mapped. What is registered is sampled whole; what is not yet is sampled
 * all the same, and says so.
 */
#ifndef PYPROF_REGISTRAR_H
#define PYPROF_REGISTRAR_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "capture/capture.h"
#include "process/process.h"
#include "supplier.h"

struct registrar;

struct registrar_options {
	bool all; /* else: only what was selected, and with children what that forks */
	bool children;
};

/* All are borrowed. */
int registrar_new(const struct registrar_options *options, struct capture *capture, struct process_table *processes,
		  struct supplier *supplier, struct registrar **ret);
void registrar_free(struct registrar *registrar);
DEFINE_CLEANUP(registrar, struct registrar *, registrar_free)

/*
 * Looks at the process and registers what is there. Cheap when nothing changed
 * since the last time. Returns 0 also when there is no Python in it, or when nobody
 * selected it.
 */
int registrar_learn(struct registrar *registrar, struct process *process);
/*
 * Likewise, for a sample of that time says that the kernel side does not know the process. If it was told before that,
 * it is told again: the end of an exec may have wiped the row of a program that was registered while it was loaded.
 */
int registrar_remind(struct registrar *registrar, struct process *process, u64 time_ns);
/*
 * Something changed: learn it at the end of the turn, once, for changes come in
 * bursts. -ENOMEM.
 */
int registrar_note(struct registrar *registrar, const struct process *process);
int registrar_turn(struct registrar *registrar);
/*
 * There are many of them at the start, and samples must not wait: learn it in a slice of time that
 * registrar_catch_up() is given, in order. What is sampled meanwhile is reminded of, and so comes first. -ENOMEM.
 */
int registrar_postpone(struct registrar *registrar, const struct process *process);
void registrar_catch_up(struct registrar *registrar, u64 slice_ns);
bool registrar_is_behind(const struct registrar *registrar);
/* The sampler found a thread's state by itself. */
void registrar_add_thread(struct registrar *registrar, struct process *process, u64 thread_pointer, u64 state);
/*
 * The sampler did not find it among the newest threads: reads the process's whole
 * list, at most a few times a second. True when this thread has a state.
 */
bool registrar_find_thread(struct registrar *registrar, struct process *process, u64 thread_pointer);
/* Once a second or so: threads that had no state may have got one. */
void registrar_tick(struct registrar *registrar);
/* The process is over. */
void registrar_forget(struct registrar *registrar, const struct process *process);

#endif
