/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/profile.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "profile/id_index.h"

/* Distinct (process, thread) pairs and distinct (origin, stack) pairs of one profile. */
#define PROFILE_MAX_ORIGINS (1u << 20)
#define PROFILE_MAX_ENTRIES (4u << 20)

_Static_assert(sizeof(struct origin) == 8 * sizeof(u32), "origins are compared as bytes");

struct profile {
	struct profile_tables tables;
	struct origin *origins;
	u32 origin_cnt, origin_capacity;
	struct id_index origin_index;
	struct profile_entry *entries;
	u32 entry_cnt, entry_capacity;
	struct id_index entry_index;
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
	id_index_deinit(&profile->origin_index);
	id_index_deinit(&profile->entry_index);
	free(profile->origins);
	free(profile->entries);
	free(profile);
}

static int profile_add_origin(struct profile *profile, const struct origin *origin, u64 hash, u32 *ret)
{
	if (profile->origin_cnt >= PROFILE_MAX_ORIGINS)
		return -ENOSPC;

	struct origin *at = array_room(profile->origins, &profile->origin_capacity, profile->origin_cnt, sizeof(*at));
	if (!at)
		return -ENOMEM;
	profile->origins = at;

	int err = id_index_add(&profile->origin_index, hash, profile->origin_cnt);
	if (err)
		return err;
	at[profile->origin_cnt] = *origin;
	*ret = profile->origin_cnt++;
	return 0;
}

int profile_origin(struct profile *profile, const struct origin *origin, u32 *ret)
{
	u64 hash = id_hash((u64)origin->pid << 32 | origin->tid, (u64)origin->comm << 32 | origin->labels);
	u32 at = id_index_start(&profile->origin_index, hash), id;

	while (id_index_next(&profile->origin_index, hash, &at, &id)) {
		if (!memcmp(&profile->origins[id], origin, sizeof(*origin))) { /* it has no holes */
			*ret = id;
			return 0;
		}
	}
	return profile_add_origin(profile, origin, hash, ret);
}

u32 profile_origin_cnt(const struct profile *profile)
{
	return profile->origin_cnt;
}

const struct origin *profile_origin_at(const struct profile *profile, u32 id)
{
	return &profile->origins[id];
}

static int profile_add_entry(struct profile *profile, const struct profile_entry *entry, u64 hash)
{
	if (profile->entry_cnt >= PROFILE_MAX_ENTRIES)
		return -ENOSPC;

	struct profile_entry *at = array_room(profile->entries, &profile->entry_capacity, profile->entry_cnt,
					      sizeof(*at));
	if (!at)
		return -ENOMEM;
	profile->entries = at;

	int err = id_index_add(&profile->entry_index, hash, profile->entry_cnt);
	if (err)
		return err;
	at[profile->entry_cnt++] = *entry;
	profile->samples += entry->samples;
	return 0;
}

int profile_add(struct profile *profile, u32 origin, u32 stack, u64 samples)
{
	u64 hash = id_hash(origin, stack);
	u32 at = id_index_start(&profile->entry_index, hash), id;

	while (id_index_next(&profile->entry_index, hash, &at, &id)) {
		struct profile_entry *entry = &profile->entries[id];

		if (entry->origin == origin && entry->stack == stack) {
			entry->samples += samples;
			profile->samples += samples;
			return 0;
		}
	}
	return profile_add_entry(profile, &(struct profile_entry){origin, stack, samples}, hash);
}

void profile_clear(struct profile *profile)
{
	id_index_clear(&profile->entry_index);
	profile->entry_cnt = 0;
	profile->samples = 0;
}

size_t profile_cnt(const struct profile *profile)
{
	return profile->entry_cnt;
}

const struct profile_entry *profile_at(const struct profile *profile, size_t i)
{
	return &profile->entries[i];
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

int profile_merge(struct profile *profile, const struct profile *other)
{
	int err = 0;

	for (size_t i = 0; !err && i < other->entry_cnt; i++) {
		const struct profile_entry *entry = &other->entries[i];
		u32 origin;

		err = profile_origin(profile, &other->origins[entry->origin], &origin);
		if (!err)
			err = profile_add(profile, origin, entry->stack, entry->samples);
	}
	return err;
}
