/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * profiler.h - the loop and the data path. Owns every stage from the kernel to
 * the profile; what becomes of the profile is its caller's.
 *
 *	profiler_new, profiler_select ..., profiler_start,
 *	{ wait for profiler_fd or profiler_timeout_ms; profiler_turn } ...,
 *	profiler_stop, profiler_name, use profiler_profile, profiler_free
 */
#ifndef PYPROF_PROFILER_H
#define PYPROF_PROFILER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "container/selection.h"
#include "process/process_words.h"
#include "profile/profile.h"
#include "pyprof/types.h"

struct profiler;

struct profiler_options {
	bool all; /* the whole host; else what profiler_select() is given */
	bool children; /* and what those fork */
	bool kernel_stacks;
	bool threads; /* tell threads apart in the profile */
	const struct selection *selections; /* with all: these places only; borrowed */
	size_t selection_cnt;
	struct words_wanted words;
	const struct common_labels *common; /* of every profile; borrowed */
	u32 frequency_hz;
	enum native_frames native;
	bool sources; /* Python frames come with the text of their expression */
	u32 stack_copy_size; /* bytes of stack sent for what only user space can unwind; 0: none */
	void (*on_message)(const char *message); /* libbpf's words, for -v; may be NULL */
};

/* On failure *ret_step says in words what was refused. */
int profiler_new(const struct profiler_options *options, struct profiler **ret, const char **ret_step);
void profiler_free(struct profiler *profiler);
DEFINE_CLEANUP(profiler, struct profiler *, profiler_free)

/* Adds a process that exists to what is sampled, ready before the first sample. -ESRCH. */
int profiler_select(struct profiler *profiler, u32 pid);
int profiler_start(struct profiler *profiler);
/* One turn: everything that is there is counted, then some of the work that waits is done. */
int profiler_turn(struct profiler *profiler);
int profiler_fd(const struct profiler *profiler);
/* When the next turn is due at the latest. */
int profiler_timeout_ms(const struct profiler *profiler);
/* Ends sampling and counts what is still there. */
int profiler_stop(struct profiler *profiler);

/* Selected processes that still live; for --all, meaningless. */
u32 profiler_selected_alive(const struct profiler *profiler);

/* Gives frames their names. To be called before the profile is read. */
int profiler_name(struct profiler *profiler);
/* Counted since the last profiler_clear(). Borrowed. */
struct profile *profiler_profile(struct profiler *profiler);
void profiler_clear(struct profiler *profiler);
/*
 * A run without end meets ever new code. True when the tables of frames, stacks,
 * strings and places have grown so much that profiler_forget() should empty them, between two
 * windows: it invalidates every profile and id that was handed out.
 */
bool profiler_is_full(const struct profiler *profiler);
int profiler_forget(struct profiler *profiler);
/* Since the start. */
void profiler_truth(struct profiler *profiler, struct truth *ret);

#endif
