/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * thread_target.h - threads that know where they stand, and what lies there, for tests that ask them; and what
 * such a test must leave as it was.
 */
#ifndef TESTS_THREAD_TARGET_H
#define TESTS_THREAD_TARGET_H

#include <pthread.h>
#include <stdatomic.h>

#include "thread_request.h"

#define STACK_SIZE    16384
#define ENOUGH_NS     60000000000ull /* for what comes at once on a machine that has nothing else to do */
#define PATTERN_CNT   32
#define RED_ZONE_SIZE 128
#define PATTERN(i)    (0x5eed000000000000ull + (i))

/* As the psABI numbers them; <signal.h> has REG_ names of its own. */
enum {
	DWARF_RAX,
	DWARF_RDX,
	DWARF_RCX,
	DWARF_RBX,
	DWARF_RSI,
	DWARF_RDI,
	DWARF_RBP,
	DWARF_RSP,
	DWARF_R8,
	DWARF_RIP = 16
};

/* A thread in target_stand(), which does its work. */
struct target {
	void (*work)(struct target *target);
	pthread_t thread;
	int tid;
	atomic_bool is_ready, is_over;
	u64 frame, return_address, pattern; /* of target_stand() */
	int pipe[2];
	u32 futex;
	void *other_stack;
	struct target *other;
	atomic_int signals_seen;
};

void target_stand(struct target *target);
void *target_main(void *target);
/* Until it is ready; until it has ended, once is_over. */
void target_start(struct target *target);
void target_stop(struct target *target);

/* Works; each says that it is ready and goes on until it is over. */
void work_nanosleep(struct target *target);
void work_read(struct target *target);
void work_futex(struct target *target);
void work_busy(struct target *target);
void work_malloc(struct target *target);
void work_dlopen(struct target *target);
void work_fork(struct target *target);

/* The calling thread blocks all signals, libc's own too, as libc does for an instant. */
void block_as_libc(void);

void sleep_ns(u64 ns);
/* Within a minute; state as in ps(1). */
bool thread_comes_to(int tid, char state);

struct thread_question question_of(const struct target *target);
/* 0, with the answer in ret, or what send or wait said. */
int ask(const struct thread_question *question, u64 patience_ns, struct thread_request **ret);
/* An answer there must be. */
struct thread_request *ask_for(const struct target *target, size_t stack_size);

/* The first piece begins at rsp, or within the red zone below. */
void check_start(const struct thread_copy *copy);
/* Did the target stand on this piece? */
void check_stand(const struct target *target, const struct thread_copy *copy, size_t piece);
/* All of a copy with one piece. */
void check_copy(const struct target *target, const struct thread_copy *copy);

/* All signals', as the kernel has them. The first that is another one than when they were noted; 0: none. */
void note_dispositions(void);
int changed_disposition(void);

#endif
