/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "locator.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM	    1
#define uthash_nonfatal_oom(choice) ((choice)->gone_ns = UINT64_MAX)
#include <uthash.h>

#include "base/array.h"
#include "base/clock.h"
#include "container/hierarchies.h"

/* Of places whose names are still to come: a second or so of a few CPUs. */
#define HELD_BYTES_MAX (8u << 20)
#define CROWD	       "[too many containers]"
#define HELD_MAX_NS    (12 * NS_PER_S) /* longer than names are looked for */
#define CHOICE_KEEP_NS (2 * NS_PER_S)

/* Whether a cgroup is sampled. */
struct choice {
	u64 cgroup_id;
	enum selected selected;
	u32 place; /* its key */
	u64 gone_ns; /* 0: it is there; else when it was removed: its last samples may still be in a ring */
	UT_hash_handle hh;
};

struct locator {
	struct locator_options options;
	struct place_table *places;
	struct capture *capture;
	u32 epoch; /* of the rows that places have */

	struct selection *selections; /* with texts of our own */
	size_t selection_cnt;
	struct choice *choices; /* by cgroup; none when everything is sampled */
	u64 generation; /* of the places that they were made by */
	struct sample **held; /* in the order of time, from held_first on */
	u32 held_first, held_cnt, held_capacity;
	size_t held_bytes;
	u32 crowd; /* row of labels, in the tables of crowd_epoch, for places that have no row of their own any more */
	u32 crowd_epoch;
};

/* Cgroups are compared with paths from the root of their hierarchy; people have directories, too. */
static int selections_copy(struct locator *l)
{
	const struct locator_options *o = &l->options;
	const struct hierarchies *hierarchies = place_table_hierarchies(l->places);
	int err = 0;

	l->selections = calloc(o->selection_cnt + 1, sizeof(*l->selections));
	if (!l->selections)
		return -ENOMEM;
	for (size_t i = 0; !err && i < o->selection_cnt; i++) {
		struct selection *copy = &l->selections[l->selection_cnt++];

		copy->kind = o->selections[i].kind;
		if (copy->kind == SELECT_CGROUP)
			err = hierarchies_path(hierarchies, o->selections[i].text, (char **)&copy->text);
		else if (!(copy->text = strdup(o->selections[i].text)))
			err = -ENOMEM;
	}
	return err;
}

int locator_new(const struct locator_options *options, struct place_table *places, struct capture *capture,
		struct locator **ret)
{
	_cleanup_(locator) struct locator *l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->options = *options;
	l->places = places;
	l->capture = capture;
	l->epoch = 1;
	int err = selections_copy(l);
	if (err)
		return err;
	*ret = take(l);
	return 0;
}

void locator_free(struct locator *l)
{
	if (!l)
		return;
	struct choice *choice, *next;

	HASH_ITER(hh, l->choices, choice, next)
	{
		HASH_DEL(l->choices, choice);
		free(choice);
	}
	for (u32 i = l->held_first; i < l->held_cnt; i++)
		free(l->held[i]);
	free(l->held);
	for (size_t i = 0; i < l->selection_cnt; i++)
		free((char *)l->selections[i].text);
	free(l->selections);
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

/* ---- what is selected */

static bool selects(const struct locator *l)
{
	return l->selection_cnt;
}

static struct choice *choice_find(const struct locator *l, u64 cgroup_id)
{
	struct choice *choice;

	HASH_FIND(hh, l->choices, &cgroup_id, sizeof(cgroup_id), choice);
	return choice;
}

static int choice_add(struct locator *l, u64 cgroup_id, struct choice **ret)
{
	struct choice *choice = calloc(1, sizeof(*choice));

	if (!choice)
		return -ENOMEM;
	choice->cgroup_id = cgroup_id;
	choice->selected = SELECTED_NO;
	HASH_ADD(hh, l->choices, cgroup_id, sizeof(choice->cgroup_id), choice);
	if (choice->gone_ns) { /* it is in no hash */
		free(choice);
		return -ENOMEM;
	}
	*ret = choice;
	return 0;
}

static enum selected choice_select(const struct locator *l, u64 cgroup_id, const char *path, const struct place *place)
{
	enum selected selected = cgroup_select(path, place, l->selections, l->selection_cnt);

	/* What is in no container by its path may be in one by what is still to be written about it. */
	if (selected == SELECTED_NO && !place_table_is_settled(l->places, cgroup_id))
		return SELECTED_NOT_YET;
	return selected;
}

/* The kernel side samples what is selected, and what may be. */
static int choice_make(void *ctx, u64 cgroup_id, const char *path, struct place *place)
{
	struct locator *l = ctx;
	enum selected selected = choice_select(l, cgroup_id, path, place);
	struct choice *choice = choice_find(l, cgroup_id);
	int err = 0;

	if (!choice)
		err = choice_add(l, cgroup_id, &choice);
	if (err)
		return err;
	if (selected != SELECTED_NO && choice->selected == SELECTED_NO)
		err = capture_select_cgroup(l->capture, cgroup_id);
	else if (selected == SELECTED_NO)
		capture_unselect_cgroup(l->capture, cgroup_id);
	choice->selected = selected;
	choice->place = place->key;
	choice->gone_ns = 0;
	return err;
}

static int choices_make(struct locator *l)
{
	struct choice *choice, *next;

	l->generation = place_table_generation(l->places);
	/* The last samples of one that is gone still wait for its name. */
	HASH_ITER(hh, l->choices, choice, next)
	{
		const struct place *place = choice->gone_ns ? place_table_at(l->places, choice->place) : NULL;

		if (place && choice->selected == SELECTED_NOT_YET)
			choice->selected = place_select(place, l->selections, l->selection_cnt);
	}
	return place_table_for_each_cgroup_all(l->places, choice_make, l);
}

/* Once more before it goes: there will be no other occasion. */
static void choice_leave(struct locator *l, const struct cgroup_record *record)
{
	bool is_v1 = record->cgroup_id & CGROUP_V1_BIT;
	struct choice *choice = choice_find(l, record->cgroup_id);

	if (!choice)
		return;
	const struct place *place = place_table_find(l->places, is_v1 ? 0 : record->cgroup_id,
						     is_v1 ? record->cgroup_id : 0, 0);
	choice->place = place->key;
	if (choice->selected == SELECTED_NOT_YET)
		choice->selected = cgroup_select(record->path, place, l->selections, l->selection_cnt);
	choice->gone_ns = record->record.time_ns;
}

static void choices_sweep(struct locator *l, u64 now_ns)
{
	struct choice *choice, *next;

	HASH_ITER(hh, l->choices, choice, next)
	{
		if (!choice->gone_ns || now_ns - choice->gone_ns < CHOICE_KEEP_NS)
			continue;
		HASH_DEL(l->choices, choice);
		free(choice);
	}
}

int locator_start(struct locator *l)
{
	if (!selects(l))
		return 0;
	place_table_name(l->places);
	return choices_make(l);
}

int locator_on_cgroup(struct locator *l, const struct cgroup_record *record)
{
	struct place *place = NULL;

	if (record->record.type == RECORD_CGROUP_GONE) {
		place_table_remove(l->places, record);
		if (selects(l))
			choice_leave(l, record);
		return 0;
	}
	int err = place_table_add(l->places, record, &place);
	if (err == -ENOSPC)
		return 0; /* it is looked up when it is met */
	if (err || !place || !selects(l))
		return err;
	return choice_make(l, record->cgroup_id, record->path, place);
}

static enum selected sample_choice(struct locator *l, const struct sample *sample)
{
	const struct choice *v1 = choice_find(l, sample->cgroup_v1_id), *v2 = choice_find(l, sample->cgroup_id);

	if ((v1 && v1->selected == SELECTED_YES) || (v2 && v2->selected == SELECTED_YES))
		return SELECTED_YES;
	if ((v1 && v1->selected == SELECTED_NOT_YET) || (v2 && v2->selected == SELECTED_NOT_YET))
		return SELECTED_NOT_YET;
	if ((v1 || !sample->cgroup_v1_id) && (v2 || !sample->cgroup_id))
		return SELECTED_NO;

	/* Of one of them nothing was heard: its record comes through another ring, or it found no room. */
	const struct place *place = place_table_find(l->places, sample->cgroup_id, sample->cgroup_v1_id,
						     sample->process.pid);
	return place_select(place, l->selections, l->selection_cnt);
}

/* -ENOSPC: it is kept, and the oldest is not. */
static int sample_hold(struct locator *l, const struct sample *sample)
{
	struct sample **held = array_room(l->held, &l->held_capacity, l->held_cnt, sizeof(*held));
	int err = 0;

	if (!held)
		return -ENOMEM;
	l->held = held;
	held[l->held_cnt] = malloc(sample->record.size);
	if (!held[l->held_cnt])
		return -ENOMEM;
	memcpy(held[l->held_cnt++], sample, sample->record.size);
	for (l->held_bytes += sample->record.size; l->held_bytes > HELD_BYTES_MAX; err = -ENOSPC) {
		struct sample *oldest = held[l->held_first++];

		l->held_bytes -= oldest->record.size;
		free(oldest);
	}
	return err;
}

int locator_admit(struct locator *l, const struct sample *sample, enum selected *ret)
{
	*ret = selects(l) ? sample_choice(l, sample) : SELECTED_YES;
	return *ret == SELECTED_NOT_YET ? sample_hold(l, sample) : 0;
}

/* Those whose places have names by now are handed over, or not; the others stay, in their order, until then. */
static int held_decide(struct locator *l, u64 until_ns, int (*on_sample)(void *ctx, const struct sample *sample),
		       void *ctx)
{
	u32 kept = 0;
	int err = 0;

	for (u32 i = l->held_first; i < l->held_cnt; i++) {
		struct sample *sample = l->held[i];
		enum selected selected = sample_choice(l, sample);

		if (selected == SELECTED_NOT_YET && until_ns < sample->record.time_ns) {
			l->held[kept++] = sample;
			continue;
		}
		if (!err && selected == SELECTED_YES)
			err = on_sample(ctx, sample);
		l->held_bytes -= sample->record.size;
		free(sample);
	}
	l->held_first = 0;
	l->held_cnt = kept;
	return err;
}

int locator_turn(struct locator *l, u64 now_ns, int (*on_sample)(void *ctx, const struct sample *sample), void *ctx)
{
	place_table_turn(l->places, now_ns, NULL, NULL);
	if (!selects(l))
		return 0;

	int err = 0;
	if (l->generation != place_table_generation(l->places))
		err = choices_make(l);
	choices_sweep(l, now_ns);
	return err ? err : held_decide(l, now_ns - HELD_MAX_NS, on_sample, ctx);
}

int locator_finish(struct locator *l, int (*on_sample)(void *ctx, const struct sample *sample), void *ctx)
{
	if (!selects(l))
		return 0;
	place_table_name(l->places);

	int err = choices_make(l);
	return err ? err : held_decide(l, UINT64_MAX, on_sample, ctx);
}

u64 locator_due_ns(const struct locator *l)
{
	return place_table_due_ns(l->places);
}
