/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "locator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CROWD "[too many containers]"

struct locator {
	struct locator_options options;
	struct place_table *places;
	u32 epoch; /* of the rows that places have */
	u32 crowd; /* row of labels, in the tables of crowd_epoch, for places that have no row of their own any more */
	u32 crowd_epoch;
};

int locator_new(const struct locator_options *options, struct place_table *places, struct locator **ret)
{
	struct locator *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->options = *options;
	l->places = places;
	l->epoch = 1;
	*ret = l;
	return 0;
}

void locator_free(struct locator *l)
{
	free(l);
}

/* ---- origins */

/* Made ahead, for there is no room when it is needed. */
static int crowd_make(struct locator *l, const struct profile_tables *tables)
{
	struct label_set set = {0};

	if (l->crowd_epoch == l->epoch)
		return 0;
	int err = string_table_intern(tables->strings, CROWD, &set.values[LABEL_CONTAINER_NAME]);
	if (!err)
		err = label_table_intern(tables->labels, &set, &l->crowd);
	if (!err)
		l->crowd_epoch = l->epoch;
	return err;
}

static int place_row(struct locator *l, const struct profile_tables *tables, struct place *place, u32 *ret)
{
	if (place->key == PLACE_HOST) {
		*ret = LABEL_SET_EMPTY;
		return 0;
	}
	int err = crowd_make(l, tables);
	if (err)
		return err;
	if (place->row_epoch != l->epoch) {
		err = label_table_reserve(tables->labels, &place->row);
		if (err == -ENOSPC) {
			*ret = l->crowd;
			return 0;
		}
		if (err)
			return err;
		place->row_epoch = l->epoch;
		place->row_generation = place->generation - 1;
	}
	*ret = place->row;
	return 0;
}

static int text_intern(const struct profile_tables *tables, const char *text, u32 *ret)
{
	*ret = STRING_EMPTY;
	return text ? string_table_intern(tables->strings, text, ret) : 0;
}

static int comm_intern(const struct profile_tables *tables, const char comm[THREAD_COMM_SIZE], u32 *ret)
{
	char text[THREAD_COMM_SIZE + 1] = {0};

	memcpy(text, comm, THREAD_COMM_SIZE);
	return string_table_intern(tables->strings, text, ret);
}

/* Asked for once, when it is sampled for the first time: what is gone by then has none. */
static int words_intern(struct locator *l, const struct profile_tables *tables, struct process *process,
			struct origin *ret)
{
	int err = 0;

	if (!process->words_read) {
		/* On our own line there may be passwords for others. */
		const struct words_wanted none = {0},
					  *wanted = process->id.pid == (u32)getpid() ? &none : &l->options.words;

		process->words_read = true;
		err = process_words_read(&process->id, wanted, &process->words);
	}
	if (!err)
		err = text_intern(tables, process->words.exe, &ret->exe);
	if (!err)
		err = text_intern(tables, process->words.command_line, &ret->command_line);
	return err ? err : text_intern(tables, process->words.environment, &ret->environment);
}

int locator_origin(struct locator *l, struct profile *profile, struct process *process, const struct sample *sample,
		   u32 *ret)
{
	const struct profile_tables *tables = profile_tables_of(profile);
	struct place *place = place_table_find(l->places, sample->cgroup_id, sample->cgroup_v1_id, sample->process.pid);
	struct origin origin = {.pid = sample->process.pid};

	int err = place_row(l, tables, place, &origin.labels);
	if (!err)
		err = comm_intern(tables, sample->comm, &origin.comm);
	if (!err && !(sample->flags & SAMPLE_KERNEL_THREAD))
		err = words_intern(l, tables, process, &origin);
	if (!err && l->options.threads) {
		origin.tid = sample->tid;
		err = comm_intern(tables, sample->thread_comm, &origin.thread_comm);
	}
	return err ? err : profile_origin(profile, &origin, ret);
}

/* ---- names */

struct naming {
	struct locator *locator;
	const struct profile_tables *tables;
};

static int place_name(void *ctx, struct place *place)
{
	struct naming *naming = ctx;
	struct label_set set = {0};

	if (place->row_epoch != naming->locator->epoch || place->row_generation == place->generation)
		return 0;
	for (int i = 0; i < LABEL_PLACE_CNT; i++) {
		int err = text_intern(naming->tables, place->values[i], &set.values[i]);
		if (err)
			return err;
	}
	label_table_set(naming->tables->labels, place->row, &set);
	place->row_generation = place->generation;
	return 0;
}

int locator_name(struct locator *l, const struct profile_tables *tables)
{
	struct naming naming = {l, tables};

	place_table_name(l->places);
	return place_table_for_each(l->places, place_name, &naming);
}

void locator_forget(struct locator *l)
{
	l->epoch++;
}
