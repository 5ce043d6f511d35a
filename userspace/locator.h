/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * locator.h - where samples were taken: the process, its thread, its container or unit, as an origin of
 * the profile; and which containers are sampled at all, when a person has chosen some.
 *
 * A place has a row of labels from its first sample on, and its names when they are found: locator_name() writes
 * them before a profile is read. Who chooses containers by name loses nothing of one that begins later: the kernel side samples
 * new cgroups until it is told not to, and what comes before the name does waits here.
 */
#ifndef PYPROF_LOCATOR_H
#define PYPROF_LOCATOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "capture/capture.h"
#include "container/place.h"
#include "container/selection.h"
#include "process/process.h"
#include "profile/profile.h"

struct locator;

struct locator_options {
	bool threads; /* tell threads apart */
	struct words_wanted words; /* borrowed */
	const struct selection *selections; /* borrowed */
	size_t selection_cnt; /* 0: everything is sampled */
};

/* Both are borrowed. */
int locator_new(const struct locator_options *options, struct place_table *places, struct capture *capture,
		struct locator **ret);
void locator_free(struct locator *locator);
DEFINE_CLEANUP(locator, struct locator *, locator_free)

/* Cgroups that are there are selected, or not. Before the first sample. */
int locator_start(struct locator *locator);
/* RECORD_CGROUP, RECORD_CGROUP_GONE. */
int locator_on_cgroup(struct locator *locator, const struct cgroup_record *record);
/*
 * Whether a sample is one of those asked for. SELECTED_NOT_YET: the locator has kept a copy, and locator_turn() hands it
 * over if its place turns out to be selected. -ENOSPC: likewise, but too many wait, and the oldest is gone.
 */
int locator_admit(struct locator *locator, const struct sample *sample, enum selected *ret);
/* The origin of a sample, in that profile. */
int locator_origin(struct locator *locator, struct profile *profile, struct process *process,
		   const struct sample *sample, u32 *ret);

/* Looks for names. Calls on_sample for what waited and is selected after all, until that returns other than 0. */
int locator_turn(struct locator *locator, u64 now_ns, int (*on_sample)(void *ctx, const struct sample *sample),
		 void *ctx);
/* No more samples come: what waits is decided now. */
int locator_finish(struct locator *locator, int (*on_sample)(void *ctx, const struct sample *sample), void *ctx);
u64 locator_due_ns(const struct locator *locator);

/* Writes the names of all places into the rows that origins have. */
int locator_name(struct locator *locator, const struct profile_tables *tables);
/* The tables were made anew: no place has a row. */
void locator_forget(struct locator *locator);

#endif
