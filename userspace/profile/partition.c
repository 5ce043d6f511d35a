/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/partition.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "profile/id_index.h"

u32 label_set_name(const struct label_set *set)
{
	static const enum label names[] = {LABEL_CONTAINER_NAME, LABEL_K8S_CONTAINER, LABEL_K8S_POD, LABEL_CONTAINER_ID,
					   LABEL_SYSTEMD_UNIT};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (set->values[names[i]] != STRING_EMPTY)
			return set->values[names[i]];
	return STRING_EMPTY;
}

const char *origin_place_name(const struct profile_tables *tables, const struct origin *origin)
{
	u32 name = label_set_name(label_table_at(tables->labels, origin->labels));

	return name == STRING_EMPTY ? PLACE_NAME_HOST : string_table_at(tables->strings, name);
}

/* ---- which entries belong together ---- */

struct entry_row {
	u32 group, entry;
};

struct partition {
	const struct profile *profile;
	u32 *groups; /* by number: the least id of the sets that say the same */
	u32 group_cnt, group_capacity;
	struct id_index index; /* groups by what their set says */
	struct entry_row *rows;
};

static int partition_group(struct partition *p, u32 labels, u32 *ret)
{
	const struct label_table *table = profile_tables_of(p->profile)->labels;
	const struct label_set *set = label_table_at(table, labels);
	u64 hash = label_set_hash(set);
	u32 at = id_index_start(&p->index, hash), id;

	while (id_index_next(&p->index, hash, &at, &id)) {
		if (memcmp(label_table_at(table, p->groups[id]), set, sizeof(*set)))
			continue;
		if (labels < p->groups[id])
			p->groups[id] = labels;
		*ret = id;
		return 0;
	}
	u32 *groups = array_room(p->groups, &p->group_capacity, p->group_cnt, sizeof(*groups));
	if (!groups)
		return -ENOMEM;
	p->groups = groups;
	groups[p->group_cnt] = labels;
	*ret = p->group_cnt;
	return id_index_add(&p->index, hash, p->group_cnt++);
}

static int compare_rows(const void *a_, const void *b_, void *groups_)
{
	const struct entry_row *a = a_, *b = b_;
	const u32 *groups = groups_;

	if (a->group != b->group)
		return groups[a->group] < groups[b->group] ? -1 : 1;
	return a->entry < b->entry ? -1 : a->entry > b->entry;
}

static int partition_fill(struct partition *p)
{
	size_t cnt = profile_cnt(p->profile);
	int err = 0;

	p->rows = calloc(cnt + 1, sizeof(*p->rows));
	if (!p->rows)
		return -ENOMEM;
	for (size_t i = 0; !err && i < cnt; i++) {
		const struct profile_entry *entry = profile_at(p->profile, i);

		p->rows[i].entry = i;
		err = partition_group(p, profile_origin_at(p->profile, entry->origin)->labels, &p->rows[i].group);
	}
	if (!err && cnt)
		qsort_r(p->rows, cnt, sizeof(*p->rows), compare_rows, p->groups);
	return err;
}

/* ---- one part ---- */

static int part_add(const struct partition *p, const struct entry_row *row, struct profile *part)
{
	const struct profile_entry *entry = profile_at(p->profile, row->entry);
	struct origin origin = *profile_origin_at(p->profile, entry->origin);
	u32 id;

	origin.labels = p->groups[row->group];
	int err = profile_origin(part, &origin, &id);
	return err ? err : profile_add(part, id, entry->stack, entry->samples);
}

static int part_give(const struct partition *p, size_t first, size_t end,
		     int (*each)(void *ctx, u32 labels, const struct profile *part), void *ctx)
{
	_cleanup_(profile) struct profile *part = NULL;
	int err = profile_new(profile_tables_of(p->profile), &part);

	for (size_t i = first; !err && i < end; i++)
		err = part_add(p, &p->rows[i], part);
	if (err)
		return err;
	profile_set_common(part, profile_common(p->profile));
	return profile_samples(part) ? each(ctx, p->groups[p->rows[first].group], part) : 0;
}

int profile_for_each_place(const struct profile *profile,
			   int (*each)(void *ctx, u32 labels, const struct profile *part), void *ctx)
{
	struct partition p = {.profile = profile};
	size_t cnt = profile_cnt(profile);
	int err = partition_fill(&p);

	for (size_t first = 0, end; !err && first < cnt; first = end) {
		for (end = first + 1; end < cnt && p.rows[end].group == p.rows[first].group; end++)
			;
		err = part_give(&p, first, end, each, ctx);
	}
	id_index_deinit(&p.index);
	free(p.groups);
	free(p.rows);
	return err;
}

/* ---- what is true of it ---- */

/* The losses that a stack shows, each once: one bit each. */
static u64 stack_losses(const struct profile_tables *tables, u32 stack)
{
	u64 losses = 0;

	_Static_assert(LOSS_CNT <= 64, "a bit for each loss");
	for (; stack != STACK_ROOT; stack = stack_table_parent(tables->stacks, stack)) {
		const struct frame *frame = frame_table_get(tables->frames, stack_table_frame(tables->stacks, stack));

		if (frame->kind == FRAME_LOSS)
			losses |= 1ull << frame->loss;
	}
	return losses;
}

void truth_of_part(const struct truth *whole, const struct profile *part, struct truth *ret)
{
	struct truth truth = {
		.samples = profile_samples(part),
		.whole_samples = whole->samples,
		.start_realtime_ns = whole->start_realtime_ns,
		.seconds = whole->seconds,
		.hz = whole->hz,
		.cpus = whole->cpus,
		.from_file = true,
		.losses_unknown = whole->losses_unknown,
	};

	memcpy(truth.lost, whole->lost, sizeof(truth.lost));
	for (size_t i = 0; i < profile_cnt(part); i++) {
		const struct profile_entry *entry = profile_at(part, i);
		u64 losses = stack_losses(profile_tables_of(part), entry->stack);

		for (; losses; losses &= losses - 1)
			truth.incomplete[__builtin_ctzll(losses)] += entry->samples;
	}
	*ret = truth;
}
