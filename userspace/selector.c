/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "selector.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM	    1
#define uthash_nonfatal_oom(choice) ((choice)->gone_ns = UINT64_MAX)
#include <uthash.h>

#include "base/array.h"
#include "base/clock.h"
#include "container/hierarchies.h"

/* Of places whose names are still to come: a second or so of a few CPUs. */
#define HELD_BYTES_MAX (8u << 20)
#define HELD_MAX_NS    (12 * NS_PER_S) /* longer than names are looked for */
#define CHOICE_KEEP_NS (2 * NS_PER_S)

/* Whether a cgroup is sampled. */
struct choice {
	u64 cgroup_id;
	enum selected selected;
	bool is_in_filter; /* by us; of one that is not, the kernel side knows whether it put it there */
	u32 round; /* of choices_make(), in which it was there last */
	u64 gone_ns; /* 0: it is there; else when it was removed: its last samples may still be in a ring */
	UT_hash_handle hh;
};

struct selector {
	struct place_table *places;
	struct cgroup_filter *filter;
	struct selection *selections; /* with texts of our own */
	size_t selection_cnt;
	struct choice *choices; /* by cgroup; none when everything is sampled */
	u64 generation; /* of the places that they were made by */
	u32 round;
	bool is_stale; /* or other cgroups are there */
	bool may_close; /* nothing found no room between the last two ticks */
	u32 overflows; /* of the filter, at the last tick */
	struct sample **held; /* in the order of time, from held_first on */
	u32 held_first, held_cnt, held_capacity;
	size_t held_bytes;
};

/* Cgroups are compared with paths from the root of their hierarchy; people have directories, too. */
static int selections_copy(struct selector *s, const struct selection *selections, size_t cnt)
{
	const struct hierarchies *hierarchies = place_table_hierarchies(s->places);
	int err = 0;

	s->selections = calloc(cnt + 1, sizeof(*s->selections));
	if (!s->selections)
		return -ENOMEM;
	for (size_t i = 0; !err && i < cnt; i++) {
		struct selection *copy = &s->selections[s->selection_cnt++];

		copy->kind = selections[i].kind;
		if (copy->kind == SELECT_CGROUP)
			err = hierarchies_path(hierarchies, selections[i].text, (char **)&copy->text);
		else if (!(copy->text = strdup(selections[i].text)))
			err = -ENOMEM;
	}
	return err;
}

int selector_new(const struct selection *selections, size_t cnt, struct place_table *places,
		 struct cgroup_filter *filter, struct selector **ret)
{
	_cleanup_(selector) struct selector *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->places = places;
	s->filter = filter;

	int err = selections_copy(s, selections, cnt);
	if (err)
		return err;
	*ret = take(s);
	return 0;
}

void selector_free(struct selector *s)
{
	if (!s)
		return;
	struct choice *choice, *next;

	HASH_ITER(hh, s->choices, choice, next)
	{
		HASH_DEL(s->choices, choice);
		free(choice);
	}
	for (u32 i = s->held_first; i < s->held_cnt; i++)
		free(s->held[i]);
	free(s->held);
	for (size_t i = 0; i < s->selection_cnt; i++)
		free((char *)s->selections[i].text);
	free(s->selections);
	free(s);
}

static bool selects(const struct selector *s)
{
	return s->selection_cnt;
}

static struct choice *choice_find(const struct selector *s, u64 cgroup_id)
{
	struct choice *choice;

	HASH_FIND(hh, s->choices, &cgroup_id, sizeof(cgroup_id), choice);
	return choice;
}

static int choice_add(struct selector *s, u64 cgroup_id, struct choice **ret)
{
	struct choice *choice = calloc(1, sizeof(*choice));

	if (!choice)
		return -ENOMEM;
	choice->cgroup_id = cgroup_id;
	choice->selected = SELECTED_NO;
	HASH_ADD(hh, s->choices, cgroup_id, sizeof(choice->cgroup_id), choice);
	if (choice->gone_ns) { /* it is in no hash */
		free(choice);
		return -ENOMEM;
	}
	*ret = choice;
	return 0;
}

static enum selected choice_select(const struct selector *s, u64 cgroup_id, const char *path, const struct place *place)
{
	enum selected selected = cgroup_select(path, place, s->selections, s->selection_cnt);

	/* What is in no container by its path may be in one by what is still to be written about it. */
	if (selected == SELECTED_NO && !place_table_is_settled(s->places, cgroup_id))
		return SELECTED_NOT_YET;
	return selected;
}

/* One that has no room is sampled all the same: the filter is open then, and closes when all are in. */
static int choice_add_to_filter(struct selector *s, struct choice *choice)
{
	int err = cgroup_filter_add(s->filter, choice->cgroup_id);

	choice->is_in_filter = !err;
	return err == -ENOSPC ? 0 : err;
}

static void choice_remove_from_filter(struct selector *s, struct choice *choice)
{
	cgroup_filter_remove(s->filter, choice->cgroup_id);
	choice->is_in_filter = false;
}

/* The kernel side samples what is selected, and what may be. */
static int choice_make(void *ctx, u64 cgroup_id, const char *path, struct place *place)
{
	struct selector *s = ctx;
	enum selected selected = choice_select(s, cgroup_id, path, place);
	struct choice *choice = choice_find(s, cgroup_id);
	int err = 0;

	if (!choice)
		err = choice_add(s, cgroup_id, &choice);
	if (err)
		return err;
	choice->selected = selected;
	choice->round = s->round;
	choice->gone_ns = 0;
	if (selected == SELECTED_NO)
		choice_remove_from_filter(s, choice);
	else if (!choice->is_in_filter && !cgroup_filter_is_open(s->filter))
		err = choice_add_to_filter(s, choice);
	return err;
}

static struct place *choice_place(const struct selector *s, u64 cgroup_id)
{
	bool is_v1 = cgroup_id & CGROUP_V1_BIT;

	return place_table_find(s->places, is_v1 ? 0 : cgroup_id, is_v1 ? cgroup_id : 0, 0);
}

/* It is there no more. Our news of its beginning may have put it into the filter after the kernel side took it out. */
static void choice_end(struct selector *s, struct choice *choice, u64 gone_ns)
{
	choice_remove_from_filter(s, choice);
	choice->gone_ns = gone_ns;
}

/* The last samples of one that is gone still wait for its name. */
static void choices_gone_make(struct selector *s)
{
	struct choice *choice, *next;

	HASH_ITER(hh, s->choices, choice, next)
	{
		if (choice->gone_ns && choice->selected == SELECTED_NOT_YET)
			choice->selected = place_select(choice_place(s, choice->cgroup_id), s->selections,
							s->selection_cnt);
	}
}

static int choices_make(struct selector *s)
{
	struct choice *choice, *next;
	u64 now_ns = clock_monotonic_ns();

	s->generation = place_table_generation(s->places);
	s->is_stale = false;
	s->round++;
	choices_gone_make(s);
	int err = place_table_for_each_cgroup_all(s->places, choice_make, s);
	if (err)
		return err;
	/* The news of its end were lost, and the places found that out. */
	HASH_ITER(hh, s->choices, choice, next)
	{
		if (!choice->gone_ns && choice->round != s->round)
			choice_end(s, choice, now_ns);
	}
	return 0;
}

/* Once more before it goes. What begins with its end has samples, too. */
static int choice_leave(struct selector *s, const struct cgroup_record *record)
{
	struct choice *choice = choice_find(s, record->cgroup_id);
	bool is_decided = choice && choice->selected != SELECTED_NOT_YET;

	int err = choice ? 0 : choice_add(s, record->cgroup_id, &choice);
	if (err)
		return err;
	if (!is_decided)
		choice->selected = choice_select(s, record->cgroup_id, record->path,
						 choice_place(s, record->cgroup_id));
	choice_end(s, choice, record->record.time_ns);
	return 0;
}

static void choices_sweep(struct selector *s, u64 now_ns)
{
	struct choice *choice, *next;

	HASH_ITER(hh, s->choices, choice, next)
	{
		if (!choice->gone_ns || now_ns < choice->gone_ns + CHOICE_KEEP_NS)
			continue;
		HASH_DEL(s->choices, choice);
		free(choice);
	}
}

int selector_start(struct selector *s)
{
	if (!selects(s))
		return 0;
	place_table_name(s->places);
	return choices_make(s);
}

struct meeting {
	const struct selection *selection;
	bool is_met;
};

static int meet(void *ctx, u64 cgroup_id, const char *path, struct place *place)
{
	struct meeting *meeting = ctx;

	meeting->is_met = cgroup_select(path, place, meeting->selection, 1) == SELECTED_YES;
	return meeting->is_met;
}

int selector_for_each_unmet(struct selector *s, int (*visit)(void *ctx, const struct selection *selection), void *ctx)
{
	int err = 0;

	for (size_t i = 0; !err && i < s->selection_cnt; i++) {
		struct meeting meeting = {.selection = &s->selections[i]};

		err = place_table_for_each_cgroup_all(s->places, meet, &meeting);
		if (err >= 0)
			err = meeting.is_met ? 0 : visit(ctx, meeting.selection);
	}
	return err;
}

int selector_on_cgroup(struct selector *s, const struct cgroup_record *record)
{
	struct place *place = NULL;

	if (record->record.type == RECORD_CGROUP_GONE)
		return place_table_remove(s->places, record) && selects(s) ? choice_leave(s, record) : 0;
	int err = place_table_add(s->places, record, &place);
	if (err == -ENOSPC)
		return 0; /* it is looked up when it is met */
	if (err || !place || !selects(s))
		return err;
	return choice_make(s, record->cgroup_id, record->path, place);
}

static enum selected sample_choice(struct selector *s, const struct sample *sample)
{
	const struct choice *v1 = choice_find(s, sample->cgroup_v1_id), *v2 = choice_find(s, sample->cgroup_id);

	if ((v1 && v1->selected == SELECTED_YES) || (v2 && v2->selected == SELECTED_YES))
		return SELECTED_YES;
	if ((v1 && v1->selected == SELECTED_NOT_YET) || (v2 && v2->selected == SELECTED_NOT_YET))
		return SELECTED_NOT_YET;
	if ((v1 || !sample->cgroup_v1_id) && (v2 || !sample->cgroup_id))
		return SELECTED_NO;

	/* Of one of them nothing was heard: its record comes through another ring, or it found no room. */
	const struct place *place = place_table_find(s->places, sample->cgroup_id, sample->cgroup_v1_id,
						     sample->process.pid);
	return place_select(place, s->selections, s->selection_cnt);
}

/* -ENOSPC: it is kept, and the oldest is not. */
static int sample_hold(struct selector *s, const struct sample *sample)
{
	struct sample **held = array_room(s->held, &s->held_capacity, s->held_cnt, sizeof(*held));
	int err = 0;

	if (!held)
		return -ENOMEM;
	s->held = held;
	held[s->held_cnt] = malloc(sample->record.size);
	if (!held[s->held_cnt])
		return -ENOMEM;
	memcpy(held[s->held_cnt++], sample, sample->record.size);
	for (s->held_bytes += sample->record.size; s->held_bytes > HELD_BYTES_MAX; err = -ENOSPC) {
		struct sample *oldest = held[s->held_first++];

		s->held_bytes -= oldest->record.size;
		free(oldest);
	}
	return err;
}

int selector_admit(struct selector *s, const struct sample *sample, enum selected *ret)
{
	*ret = selects(s) ? sample_choice(s, sample) : SELECTED_YES;
	return *ret == SELECTED_NOT_YET ? sample_hold(s, sample) : 0;
}

/* Those whose places have names by now are handed over, or not; the others stay, in their order, until then. */
static int held_decide(struct selector *s, u64 until_ns, int (*on_sample)(void *ctx, const struct sample *sample),
		       void *ctx)
{
	u32 kept = 0;
	int err = 0;

	for (u32 i = s->held_first; i < s->held_cnt; i++) {
		struct sample *sample = s->held[i];
		enum selected selected = sample_choice(s, sample);

		if (selected == SELECTED_NOT_YET && until_ns < sample->record.time_ns) {
			s->held[kept++] = sample;
			continue;
		}
		if (!err && selected == SELECTED_YES)
			err = on_sample(ctx, sample);
		s->held_bytes -= sample->record.size;
		free(sample);
	}
	s->held_first = 0;
	s->held_cnt = kept;
	return err;
}

/* What is asked for and is not in the filter goes there. Closes it, if there is room for all. */
static int filter_close(struct selector *s)
{
	struct choice *choice, *next;

	s->may_close = false;
	HASH_ITER(hh, s->choices, choice, next)
	{
		if (choice->gone_ns || choice->selected == SELECTED_NO || choice->is_in_filter)
			continue;
		int err = choice_add_to_filter(s, choice);
		if (err || !choice->is_in_filter)
			return err;
	}
	cgroup_filter_settle(s->filter, s->overflows);
	return 0;
}

/*
 * What found no room up to one tick was told of before the next, or this one knows that news were lost: only then all
 * that is asked for is among the choices.
 */
void selector_tick(struct selector *s, bool news_were_lost)
{
	u32 overflows = cgroup_filter_overflows(s->filter);

	if (news_were_lost) {
		place_table_resync(s->places);
		s->is_stale = true;
	}
	s->may_close = cgroup_filter_is_open(s->filter) && overflows == s->overflows;
	s->overflows = overflows;
}

int selector_turn(struct selector *s, u64 now_ns, int (*on_sample)(void *ctx, const struct sample *sample), void *ctx)
{
	place_table_turn(s->places, now_ns, NULL, NULL);
	if (!selects(s))
		return 0;

	int err = 0;
	if (s->is_stale || s->generation != place_table_generation(s->places))
		err = choices_make(s);
	if (!err && s->may_close)
		err = filter_close(s);
	choices_sweep(s, now_ns);
	return err ? err : held_decide(s, now_ns - HELD_MAX_NS, on_sample, ctx);
}

int selector_finish(struct selector *s, int (*on_sample)(void *ctx, const struct sample *sample), void *ctx)
{
	if (!selects(s))
		return 0;
	place_table_name(s->places);

	int err = choices_make(s);
	return err ? err : held_decide(s, UINT64_MAX, on_sample, ctx);
}

u64 selector_due_ns(const struct selector *s)
{
	return place_table_due_ns(s->places);
}

bool selector_is_open(const struct selector *s)
{
	return selects(s) && cgroup_filter_is_open(s->filter);
}

size_t selector_cgroup_cnt(const struct selector *s)
{
	return HASH_COUNT(s->choices);
}
