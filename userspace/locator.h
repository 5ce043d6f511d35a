/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * locator.h - where samples were taken: the process, its thread, its container or unit, as an origin of
 * the profile. A place has a row of labels from its first sample on, and its names when they are found:
 * locator_name() writes them before a profile is read.
 */
#ifndef PYPROF_LOCATOR_H
#define PYPROF_LOCATOR_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "container/place.h"
#include "process/process.h"
#include "profile/profile.h"

struct locator;

struct locator_options {
	bool threads; /* tell threads apart */
	struct words_wanted words; /* borrowed */
};

/* places: borrowed. */
int locator_new(const struct locator_options *options, struct place_table *places, struct locator **ret);
void locator_free(struct locator *locator);
DEFINE_CLEANUP(locator, struct locator *, locator_free)

/* The origin of a sample, in that profile. */
int locator_origin(struct locator *locator, struct profile *profile, struct process *process,
		   const struct sample *sample, u32 *ret);
/* Writes the names of all places into the rows that origins have. */
int locator_name(struct locator *locator, const struct profile_tables *tables);
/* The tables were made anew: no place has a row. */
void locator_forget(struct locator *locator);

#endif
