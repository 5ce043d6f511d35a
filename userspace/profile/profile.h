/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * profile.h - what was counted: (origin, stack) to samples over a time span. The
 * truth about it is in truth.h, its text in view.h. Frames, stacks and strings live
 * in tables that outlast one profile: windows of a stream share them.
 */
#ifndef PYPROF_PROFILE_H
#define PYPROF_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "profile/file_table.h"
#include "profile/frame_table.h"
#include "profile/label.h"
#include "profile/stack_table.h"
#include "profile/string_table.h"
#include "profile/truth.h"
#include "profile/view.h"
#include "pyprof/types.h"

/* Where a sample was taken. Interned like everything else, see profile_origin. */
struct origin {
	u32 pid, tid; /* tid 0 unless threads are told apart */
	u32 comm, thread_comm; /* string ids */
	u32 exe; /* string id: path of the program; STRING_EMPTY: not known */
	u32 command_line, environment; /* string ids: only when a person asked for them */
	u32 labels; /* id of the label_set of its container or unit; LABEL_SET_EMPTY: it is in none */
};

/* The tables that give ids their meaning. Borrowed by profiles. */
struct profile_tables {
	struct string_table *strings;
	struct frame_table *frames;
	struct file_table *files;
	struct stack_table *stacks;
	struct label_table *labels;
};

int profile_tables_new(struct profile_tables *ret);
void profile_tables_free(struct profile_tables *tables);

struct profile;

int profile_new(const struct profile_tables *tables, struct profile **ret);
void profile_free(struct profile *profile);
DEFINE_CLEANUP(profile, struct profile *, profile_free)

/* Interned for the profile's life. -ENOSPC at the bound. */
int profile_origin(struct profile *profile, const struct origin *origin, u32 *ret);
u32 profile_origin_cnt(const struct profile *profile); /* also of those that have no samples any more */
const struct origin *profile_origin_at(const struct profile *profile, u32 id);

/* The hot path: one look-up, one addition. */
int profile_add(struct profile *profile, u32 origin, u32 stack, u64 samples);
/* Adds what another profile of the same tables has counted. *ret_lost: the samples for which there was no room. */
int profile_merge(struct profile *profile, const struct profile *other, u64 *ret_lost);
/* Forgets the counts, keeps the origins. */
void profile_clear(struct profile *profile);

struct profile_entry {
	u32 origin, stack;
	u64 samples;
};

/* Borrowed; NULL: nothing is common. */
struct common_labels;
void profile_set_common(struct profile *profile, const struct common_labels *common);
const struct common_labels *profile_common(const struct profile *profile);

size_t profile_cnt(const struct profile *profile);
const struct profile_entry *profile_at(const struct profile *profile, size_t i);
u64 profile_samples(const struct profile *profile);
const struct profile_tables *profile_tables_of(const struct profile *profile);

#endif
