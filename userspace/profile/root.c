/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/root.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "base/strbuf.h"
#include "profile/id_index.h"
#include "profile/partition.h"

/* Of what people call the place; whatever is called as the host is, is one with it. */
static u32 place_of(const struct profile_tables *tables, const struct origin *origin)
{
	u32 name = label_set_name(label_table_at(tables->labels, origin->labels));

	return strcmp(string_table_at(tables->strings, name), PLACE_NAME_HOST) ? name : STRING_EMPTY;
}

void origin_root_of(const struct profile_tables *tables, const struct origin *origin, const struct view *view,
		    struct origin_root *ret)
{
	*ret = (struct origin_root){0};
	if (view->per == PER_CONTAINER) {
		ret->place = place_of(tables, origin);
		return;
	}
	ret->comm = origin->comm;
	ret->pid = view->pids ? origin->pid : 0;
	if (view->per == PER_THREAD) {
		ret->tid = origin->tid;
		ret->thread_comm = origin->thread_comm;
	}
}

u64 origin_root_hash(const struct origin_root *root)
{
	return id_hash(id_hash((u64)root->pid << 32 | root->tid, (u64)root->comm << 32 | root->thread_comm),
		       root->place);
}

bool origin_root_same(const struct origin_root *a, const struct origin_root *b)
{
	return a->place == b->place && a->pid == b->pid && a->tid == b->tid && a->comm == b->comm &&
	       a->thread_comm == b->thread_comm;
}

void origin_put_track(const struct profile *profile, const struct origin *origin, const struct view *view,
		      struct strbuf *b)
{
	origin_put_process(profile, origin, view, b);
	if (!view->threads || !origin->tid)
		return;
	strbuf_put(b, ", ");
	origin_put_thread(profile, origin, b);
}

void origin_put_root(const struct profile *profile, const struct origin *origin, const struct view *view,
		     struct strbuf *b)
{
	if (view->per == PER_CONTAINER)
		origin_put_place(profile, origin, b);
	else if (view->per == PER_THREAD)
		origin_put_track(profile, origin, view, b);
	else
		origin_put_process(profile, origin, view, b);
}

/* ---- tracks ---- */

/* One label_set for each name, the first that was met. */
struct place_row {
	u32 name, labels;
};

struct track_builder {
	const struct profile *from;
	const struct view *view;
	struct profile *to;
	struct place_row *places;
	u32 place_cnt, place_capacity;
	struct id_index place_index;
};

static int builder_labels(struct track_builder *builder, const struct origin *origin, u32 *ret)
{
	u32 name = place_of(profile_tables_of(builder->from), origin);
	u64 hash = id_hash(name, 0);
	u32 at = id_index_start(&builder->place_index, hash), id;

	if (name == STRING_EMPTY || builder->view->per == PER_COMM) {
		*ret = LABEL_SET_EMPTY;
		return 0;
	}
	while (id_index_next(&builder->place_index, hash, &at, &id)) {
		if (builder->places[id].name == name) {
			*ret = builder->places[id].labels;
			return 0;
		}
	}
	struct place_row *places = array_room(builder->places, &builder->place_capacity, builder->place_cnt,
					      sizeof(*places));
	if (!places)
		return -ENOMEM;
	builder->places = places;
	places[builder->place_cnt] = (struct place_row){name, origin->labels};
	*ret = origin->labels;
	return id_index_add(&builder->place_index, hash, builder->place_cnt++);
}

static int builder_add(struct track_builder *builder, const struct profile_entry *entry)
{
	const struct origin *origin = profile_origin_at(builder->from, entry->origin);
	struct origin track = {.comm = origin->comm};
	u32 id;

	if (builder->view->pids)
		track.pid = origin->pid;
	if (builder->view->threads) {
		track.tid = origin->tid;
		track.thread_comm = origin->thread_comm;
	}
	int err = builder_labels(builder, origin, &track.labels);
	if (!err)
		err = profile_origin(builder->to, &track, &id);
	return err ? err : profile_add(builder->to, id, entry->stack, entry->samples);
}

int profile_by_track(const struct profile *profile, const struct view *view, struct profile **ret)
{
	_cleanup_(profile) struct profile *to = NULL;
	int err = profile_new(profile_tables_of(profile), &to);
	if (err)
		return err;
	profile_set_common(to, profile_common(profile));

	struct track_builder builder = {.from = profile, .view = view, .to = to};
	for (size_t i = 0; !err && i < profile_cnt(profile); i++)
		err = builder_add(&builder, profile_at(profile, i));
	id_index_deinit(&builder.place_index);
	free(builder.places);
	if (err)
		return err;
	*ret = take(to);
	return 0;
}
