/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/profile.h"

#include <errno.h>
#include <string.h>

#include "profile/rows.h"

/* Distinct (process, thread) pairs and distinct (origin, stack) pairs of one profile. */
#define PROFILE_MAX_ORIGINS (1u << 20)
#define PROFILE_MAX_ENTRIES (4u << 20)

_Static_assert(sizeof(struct origin) == 8 * sizeof(u32), "origins are compared as bytes");

struct profile {
	struct profile_tables tables;
	struct rows origins; /* struct origin */
	struct rows entries; /* struct profile_entry */
	u64 samples;
	const struct common_labels *common;
};

int profile_tables_new(struct profile_tables *ret)
{
	_cleanup_(string_table) struct string_table *strings = NULL;
	_cleanup_(frame_table) struct frame_table *frames = NULL;
	_cleanup_(file_table) struct file_table *files = NULL;
	_cleanup_(stack_table) struct stack_table *stacks = NULL;
	_cleanup_(label_table) struct label_table *labels = NULL;

	int err = string_table_new(&strings);
	if (!err)
		err = frame_table_new(&frames);
	if (!err)
		err = file_table_new(&files);
	if (!err)
		err = stack_table_new(&stacks);
	if (!err)
		err = label_table_new(&labels);
	if (err)
		return err;

	*ret = (struct profile_tables){.strings = take(strings),
				       .frames = take(frames),
				       .files = take(files),
				       .stacks = take(stacks),
				       .labels = take(labels)};
	return 0;
}

void profile_tables_free(struct profile_tables *tables)
{
	string_table_free(tables->strings);
	frame_table_free(tables->frames);
	file_table_free(tables->files);
	stack_table_free(tables->stacks);
	label_table_free(tables->labels);
	*tables = (struct profile_tables){0};
}

int profile_new(const struct profile_tables *tables, struct profile **ret)
{
	struct profile *profile = calloc(1, sizeof(*profile));
	if (!profile)
		return -ENOMEM;
	profile->tables = *tables;
	*ret = profile;
	return 0;
}

void profile_free(struct profile *profile)
{
	if (!profile)
		return;
	rows_deinit(&profile->origins);
	rows_deinit(&profile->entries);
	free(profile);
}

int profile_origin(struct profile *profile, const struct origin *origin, u32 *ret)
{
	u64 hash = id_hash((u64)origin->pid << 32 | origin->tid, (u64)origin->comm << 32 | origin->labels);
	u32 at = id_index_start(&profile->origins.index, hash), id;

	while (id_index_next(&profile->origins.index, hash, &at, &id)) {
		if (!memcmp(profile_origin_at(profile, id), origin, sizeof(*origin))) { /* it has no holes */
			*ret = id;
			return 0;
		}
	}
	return rows_add(&profile->origins, origin, sizeof(*origin), PROFILE_MAX_ORIGINS, hash, ret);
}

u32 profile_origin_cnt(const struct profile *profile)
{
	return profile->origins.cnt;
}

const struct origin *profile_origin_at(const struct profile *profile, u32 id)
{
	return (const struct origin *)profile->origins.at + id;
}

int profile_add(struct profile *profile, u32 origin, u32 stack, u64 samples)
{
	u64 hash = id_hash(origin, stack);
	struct profile_entry *entries = profile->entries.at;
	u32 at = id_index_start(&profile->entries.index, hash), id;

	while (id_index_next(&profile->entries.index, hash, &at, &id)) {
		if (entries[id].origin == origin && entries[id].stack == stack) {
			entries[id].samples += samples;
			profile->samples += samples;
			return 0;
		}
	}

	const struct profile_entry entry = {origin, stack, samples};
	int err = rows_add(&profile->entries, &entry, sizeof(entry), PROFILE_MAX_ENTRIES, hash, NULL);
	if (!err)
		profile->samples += samples;
	return err;
}

void profile_clear(struct profile *profile)
{
	rows_clear(&profile->entries);
	profile->samples = 0;
}

size_t profile_cnt(const struct profile *profile)
{
	return profile->entries.cnt;
}

const struct profile_entry *profile_at(const struct profile *profile, size_t i)
{
	return (const struct profile_entry *)profile->entries.at + i;
}

u64 profile_samples(const struct profile *profile)
{
	return profile->samples;
}

const struct profile_tables *profile_tables_of(const struct profile *profile)
{
	return &profile->tables;
}

void profile_set_common(struct profile *profile, const struct common_labels *common)
{
	profile->common = common;
}

const struct common_labels *profile_common(const struct profile *profile)
{
	return profile->common;
}

int profile_merge(struct profile *profile, const struct profile *other, u64 *ret_lost)
{
	u64 lost = 0;

	for (size_t i = 0; i < profile_cnt(other); i++) {
		const struct profile_entry *entry = profile_at(other, i);
		u32 origin;

		int err = profile_origin(profile, profile_origin_at(other, entry->origin), &origin);
		if (!err)
			err = profile_add(profile, origin, entry->stack, entry->samples);
		if (err == -ENOSPC)
			lost += entry->samples;
		else if (err)
			return err;
	}
	*ret_lost = lost;
	return 0;
}
