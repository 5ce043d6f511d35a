/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * dictionary.h - a profile taken apart into tables, as the formats of other
 * programs want it: strings, mappings, functions, places (what those call locations or
 * frames), stacks of places, origins and samples. Each row is there once and is used by
 * a sample; what reads the same in the view is one.
 */
#ifndef PYPROF_DICTIONARY_H
#define PYPROF_DICTIONARY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "profile/id_index.h"
#include "profile/profile.h"

/* Names of mappings that are no file; the reader of pprof knows them again. */
#define MAPPING_PYTHON "[python]"
#define MAPPING_KERNEL "[kernel.kallsyms]" /* as perf calls it */
#define MAPPING_OURS   "[pyprof-bpf]" /* what is missing, and marks */

/*
 * What people call a file follows from how a mapping calls it: from a path as base/module_name.h has it, else it is that. To
 * be freed; NULL: memory is short. Where it does not, functions in it say so with this and the name in place of their
 * source file, so that who reads it can show it as it was.
 */
char *mapping_shown_name(const char *mapping);
#define MAPPING_SHOWN_AS "[pyprof-bpf] "

/* Where code lies. */
struct dictionary_mapping {
	u8 kind; /* enum frame_kind; marks are counted as losses */
	u32 name; /* string id: what people call it; in an exact dictionary its path, if that is known */
	u32 build_id; /* string id: in hexadecimal; STRING_EMPTY: not known, or not exact */
};

struct dictionary_function {
	u32 name;
	u32 file; /* of its source: only Python's have one, and what MAPPING_SHOWN_AS is for */
};

#define MAPPING_NONE 0xffffffff

struct dictionary_place {
	u8 kind; /* enum frame_kind */
	u32 mapping; /* index, MAPPING_NONE: not known */
	u32 function; /* index */
	u32 line; /* 0: not known, or not in the view */
	u64 address; /* in the file or the kernel; 0: not asked for, or there is none */
};

struct dictionary_sample {
	u32 origin; /* index */
	u32 stack; /* id in stacks; STACK_ROOT: a process without frames */
	u64 samples;
};

struct dictionary {
	const struct profile *profile;
	struct view view;

	struct string_table *strings; /* valid UTF-8 without characters that hide; 0 is "" */
	struct dictionary_mapping *mappings;
	u32 mapping_cnt, mapping_capacity;
	struct dictionary_function *functions;
	u32 function_cnt, function_capacity;
	struct dictionary_place *places;
	u32 place_cnt, place_capacity;
	struct stack_table *stacks; /* its frames are indices of places */
	struct origin *origins; /* ids in the profile's tables; without what is not in the view */
	u32 origin_cnt, origin_capacity;
	struct dictionary_sample *samples; /* those of one origin together, in the order of origins */
	u32 sample_cnt, sample_capacity;

	struct id_index mapping_index, function_index, place_index, origin_index, sample_index;
	u32 *frame_places, *stack_ids; /* what the profile's ids have become, plus 1 */
	u32 *path;
	u32 path_capacity;
	bool exact;
};

/*
 * profile is borrowed, and must be named. exact: for machines more than for people. Frames of one function at
 * different instructions are different places, and files of one name at different paths different mappings.
 */
int dictionary_new(const struct profile *profile, const struct view *view, bool exact, struct dictionary **ret);
void dictionary_free(struct dictionary *dictionary);
DEFINE_CLEANUP(dictionary, struct dictionary *, dictionary_free)

/* One more string, made visible first. */
int dictionary_string(struct dictionary *dictionary, const char *text, u32 *ret);
/* The place of a loss, though no stack of the profile has it. */
int dictionary_loss(struct dictionary *dictionary, enum loss loss, u32 *ret);
const char *dictionary_text(const struct dictionary *dictionary, u32 string);

/* The samples of one origin are those from here to the next origin's. */
u32 dictionary_first_sample(const struct dictionary *dictionary, u32 origin);

/* Innermost first, to be freed by the caller once: *at grows as it needs to. */
struct place_list {
	u32 *at;
	u32 cnt, capacity;
};

int dictionary_stack(const struct dictionary *dictionary, u32 stack, struct place_list *ret);

#endif
