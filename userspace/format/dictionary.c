/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "format/dictionary.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "base/module_name.h"
#include "base/strbuf.h"
#include "base/visible.h"

/* ---- strings ---- */

int dictionary_string(struct dictionary *d, const char *text, u32 *ret)
{
	STRBUF(visible);

	visible_put(&visible, text);
	return visible.failed ? -ENOMEM : string_table_intern(d->strings, visible.at, ret);
}

const char *dictionary_text(const struct dictionary *d, u32 string)
{
	return string_table_at(d->strings, string);
}

/* One of the profile's. */
static int string_of_profile(struct dictionary *d, u32 string, u32 *ret)
{
	return dictionary_string(d, string_table_at(profile_tables_of(d->profile)->strings, string), ret);
}

/* ---- rows, each once ---- */

static bool mapping_same(const struct dictionary_mapping *a, const struct dictionary_mapping *b)
{
	return a->kind == b->kind && a->name == b->name && a->build_id == b->build_id;
}

static int mapping_intern(struct dictionary *d, const struct dictionary_mapping *mapping, u32 *ret)
{
	u64 hash = id_hash((u64)mapping->build_id << 8 | mapping->kind, mapping->name);
	u32 at = id_index_start(&d->mapping_index, hash), id;

	while (id_index_next(&d->mapping_index, hash, &at, &id)) {
		if (mapping_same(&d->mappings[id], mapping)) {
			*ret = id;
			return 0;
		}
	}
	struct dictionary_mapping *rows = array_room(d->mappings, &d->mapping_capacity, d->mapping_cnt, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	d->mappings = rows;
	rows[d->mapping_cnt] = *mapping;
	*ret = d->mapping_cnt;
	return id_index_add(&d->mapping_index, hash, d->mapping_cnt++);
}

static int function_intern(struct dictionary *d, const struct dictionary_function *function, u32 *ret)
{
	u64 hash = id_hash(function->name, function->file);
	u32 at = id_index_start(&d->function_index, hash), id;

	while (id_index_next(&d->function_index, hash, &at, &id)) {
		if (d->functions[id].name == function->name && d->functions[id].file == function->file) {
			*ret = id;
			return 0;
		}
	}
	struct dictionary_function *rows = array_room(d->functions, &d->function_capacity, d->function_cnt,
						      sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	d->functions = rows;
	rows[d->function_cnt] = *function;
	*ret = d->function_cnt;
	return id_index_add(&d->function_index, hash, d->function_cnt++);
}

static bool place_same(const struct dictionary_place *a, const struct dictionary_place *b)
{
	return a->kind == b->kind && a->mapping == b->mapping && a->function == b->function && a->line == b->line &&
	       a->address == b->address;
}

static int place_intern(struct dictionary *d, const struct dictionary_place *place, u32 *ret)
{
	u64 hash = id_hash(id_hash((u64)place->mapping << 32 | place->function, place->line), place->address);
	u32 at = id_index_start(&d->place_index, hash), id;

	while (id_index_next(&d->place_index, hash, &at, &id)) {
		if (place_same(&d->places[id], place)) {
			*ret = id;
			return 0;
		}
	}
	struct dictionary_place *rows = array_room(d->places, &d->place_capacity, d->place_cnt, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	d->places = rows;
	rows[d->place_cnt] = *place;
	*ret = d->place_cnt;
	return id_index_add(&d->place_index, hash, d->place_cnt++);
}

static int origin_intern(struct dictionary *d, const struct origin *origin, u32 *ret)
{
	u64 hash = id_hash((u64)origin->pid << 32 | origin->tid, (u64)origin->comm << 32 | origin->labels);
	u32 at = id_index_start(&d->origin_index, hash), id;

	while (id_index_next(&d->origin_index, hash, &at, &id)) {
		if (!memcmp(&d->origins[id], origin, sizeof(*origin))) {
			*ret = id;
			return 0;
		}
	}
	struct origin *rows = array_room(d->origins, &d->origin_capacity, d->origin_cnt, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	d->origins = rows;
	rows[d->origin_cnt] = *origin;
	*ret = d->origin_cnt;
	return id_index_add(&d->origin_index, hash, d->origin_cnt++);
}

static int sample_add(struct dictionary *d, u32 origin, u32 stack, u64 samples)
{
	u64 hash = id_hash(origin, stack);
	u32 at = id_index_start(&d->sample_index, hash), id;

	while (id_index_next(&d->sample_index, hash, &at, &id)) {
		if (d->samples[id].origin == origin && d->samples[id].stack == stack) {
			d->samples[id].samples += samples;
			return 0;
		}
	}
	struct dictionary_sample *rows = array_room(d->samples, &d->sample_capacity, d->sample_cnt, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	d->samples = rows;
	rows[d->sample_cnt] = (struct dictionary_sample){origin, stack, samples};
	return id_index_add(&d->sample_index, hash, d->sample_cnt++);
}

/* ---- from the profile's rows to these ---- */

/* Of a native or kernel frame: nothing where it is not wanted. */
static const struct file_row *file_of_frame(const struct dictionary *d, const struct frame *frame)
{
	return file_table_at(profile_tables_of(d->profile)->files,
			     d->exact && frame->named ? frame->file_id : FILE_NONE);
}

static int file_mapping(struct dictionary *d, const struct frame *frame, const char *name,
			struct dictionary_mapping *ret)
{
	const struct file_row *file = file_of_frame(d, frame);
	int err = file->path == STRING_EMPTY ? dictionary_string(d, name, &ret->name)
					     : string_of_profile(d, file->path, &ret->name);

	return err ? err : string_of_profile(d, file->build_id, &ret->build_id);
}

static int mapping_of_frame(struct dictionary *d, const struct frame *frame, u32 *ret)
{
	struct dictionary_mapping mapping = {.kind = frame->kind};
	const struct profile_tables *tables = profile_tables_of(d->profile);
	int err;

	switch (frame->kind) {
	case FRAME_PYTHON:
		err = dictionary_string(d, MAPPING_PYTHON, &mapping.name);
		break;
	case FRAME_KERNEL:
		err = file_mapping(d, frame, MAPPING_KERNEL, &mapping);
		break;
	case FRAME_NATIVE:
		*ret = MAPPING_NONE;
		if (!frame->named || frame->file == STRING_EMPTY)
			return 0;
		err = file_mapping(d, frame, string_table_at(tables->strings, frame->file), &mapping);
		break;
	default:
		mapping.kind = FRAME_LOSS;
		err = dictionary_string(d, MAPPING_OURS, &mapping.name);
	}
	return err ? err : mapping_intern(d, &mapping, ret);
}

/*
 * An address is a name in its own file only: who sorts by names alone must not
 * add up the 0x1000 of two libraries.
 */
static void name_put(const struct dictionary *d, const struct frame *frame, struct strbuf *b)
{
	const struct profile_tables *tables = profile_tables_of(d->profile);
	const char *name = string_table_at(tables->strings, frame->function);

	if (frame_is_bracketed(frame))
		frame_put(tables, frame, &d->view, b);
	else if (!frame->named)
		strbuf_printf(b, "0x%llx", frame->address);
	else if (frame->kind == FRAME_NATIVE && frame->file != STRING_EMPTY && !strncmp(name, "0x", 2))
		strbuf_printf(b, "%s (%s)", name, string_table_at(tables->strings, frame->file));
	else
		strbuf_put(b, *name ? name : "?");
}

char *mapping_shown_name(const char *mapping)
{
	return strchr(mapping, '/') ? module_name_of_path(mapping) : strdup(mapping);
}

/* What its file is called, when that does not follow from the path in its mapping. */
static int shown_put(struct dictionary *d, const struct frame *frame, u32 *ret)
{
	const struct profile_tables *tables = profile_tables_of(d->profile);
	const char *name = string_table_at(tables->strings, frame->named ? frame->file : STRING_EMPTY);
	const struct file_row *file = file_of_frame(d, frame);
	STRBUF(visible);
	STRBUF(shown);

	if (!d->exact || !*name)
		return 0;
	/* From what stands in the file: that is what a reader has. */
	visible_put(&visible, file->path == STRING_EMPTY ? name : string_table_at(tables->strings, file->path));
	_cleanup_(free) char *derived = visible.failed ? NULL : mapping_shown_name(visible.at);
	if (!derived)
		return -ENOMEM;
	strbuf_put(&shown, MAPPING_SHOWN_AS);
	visible_put(&shown, name);
	if (shown.failed)
		return -ENOMEM;
	if (!strcmp(derived, shown.at + strlen(MAPPING_SHOWN_AS)))
		return 0;
	return string_table_intern(d->strings, shown.at, ret);
}

static int function_of_frame(struct dictionary *d, const struct frame *frame, u32 *ret)
{
	struct dictionary_function function = {.file = STRING_EMPTY};
	STRBUF(name);

	name_put(d, frame, &name);
	int err = name.failed ? -ENOMEM : dictionary_string(d, name.at, &function.name);
	if (!err && frame->kind == FRAME_PYTHON)
		err = string_of_profile(d, frame->file, &function.file);
	if (!err && frame->kind == FRAME_NATIVE)
		err = shown_put(d, frame, &function.file);
	return err ? err : function_intern(d, &function, ret);
}

static int place_of_frame(struct dictionary *d, const struct frame *frame, u32 *ret)
{
	struct dictionary_place place = {.kind = frame->kind};

	if (frame->kind == FRAME_PYTHON && d->view.lines)
		place.line = frame->line;
	if (d->exact && (frame->kind == FRAME_NATIVE || frame->kind == FRAME_KERNEL))
		place.address = frame->address;
	int err = mapping_of_frame(d, frame, &place.mapping);
	if (!err)
		err = function_of_frame(d, frame, &place.function);
	return err ? err : place_intern(d, &place, ret);
}

int dictionary_loss(struct dictionary *d, enum loss loss, u32 *ret)
{
	return place_of_frame(d, &(struct frame){.kind = FRAME_LOSS, .loss = loss, .named = true}, ret);
}

static int place_of(struct dictionary *d, u32 frame_id, u32 *ret)
{
	const struct profile_tables *tables = profile_tables_of(d->profile);

	if (!d->frame_places[frame_id]) {
		u32 place;
		int err = place_of_frame(d, frame_table_get(tables->frames, frame_id), &place);

		if (err)
			return err;
		d->frame_places[frame_id] = place + 1;
	}
	*ret = d->frame_places[frame_id] - 1;
	return 0;
}

/* Outwards up to a stack that is known, and back. */
static int stack_of(struct dictionary *d, u32 stack, u32 *ret)
{
	const struct stack_table *stacks = profile_tables_of(d->profile)->stacks;
	u32 cnt = 0, id = STACK_ROOT, place;

	for (; stack != STACK_ROOT; stack = stack_table_parent(stacks, stack)) {
		if (d->stack_ids[stack]) {
			id = d->stack_ids[stack] - 1;
			break;
		}
		u32 *path = array_room(d->path, &d->path_capacity, cnt, sizeof(*path));
		if (!path)
			return -ENOMEM;
		d->path = path;
		path[cnt++] = stack;
	}
	while (cnt) {
		stack = d->path[--cnt];
		int err = place_of(d, stack_table_frame(stacks, stack), &place);
		if (!err)
			err = stack_table_push(d->stacks, id, place, &id);
		if (err)
			return err;
		d->stack_ids[stack] = id + 1;
	}
	*ret = id;
	return 0;
}

static int origin_of(struct dictionary *d, u32 origin_id, u32 *ret)
{
	struct origin origin = *profile_origin_at(d->profile, origin_id);

	if (!d->view.pids)
		origin.pid = 0;
	if (!d->view.threads)
		origin.tid = origin.thread_comm = 0;
	return origin_intern(d, &origin, ret);
}

static int entry_add(struct dictionary *d, const struct profile_entry *entry)
{
	u32 origin, stack;
	int err = origin_of(d, entry->origin, &origin);

	if (!err)
		err = stack_of(d, entry->stack, &stack);
	return err ? err : sample_add(d, origin, stack, entry->samples);
}

static int compare_samples(const void *a, const void *b)
{
	const struct dictionary_sample *left = a, *right = b;

	if (left->origin != right->origin)
		return left->origin < right->origin ? -1 : 1;
	return left->stack < right->stack ? -1 : left->stack > right->stack;
}

static int dictionary_fill(struct dictionary *d)
{
	const struct profile_tables *tables = profile_tables_of(d->profile);

	d->frame_places = calloc(frame_table_cnt(tables->frames) + 1, sizeof(*d->frame_places));
	d->stack_ids = calloc(stack_table_cnt(tables->stacks) + 1, sizeof(*d->stack_ids));
	if (!d->frame_places || !d->stack_ids)
		return -ENOMEM;
	int err = string_table_new(&d->strings);
	if (!err)
		err = stack_table_new(&d->stacks);
	for (size_t i = 0; !err && i < profile_cnt(d->profile); i++)
		err = entry_add(d, profile_at(d->profile, i));
	if (!err && d->sample_cnt)
		qsort(d->samples, d->sample_cnt, sizeof(*d->samples), compare_samples);
	return err;
}

int dictionary_new(const struct profile *profile, const struct view *view, bool exact, struct dictionary **ret)
{
	_cleanup_(dictionary) struct dictionary *d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->profile = profile;
	d->view = *view;
	d->exact = exact;

	int err = dictionary_fill(d);
	if (err)
		return err;
	*ret = take(d);
	return 0;
}

void dictionary_free(struct dictionary *d)
{
	if (!d)
		return;
	string_table_free(d->strings);
	stack_table_free(d->stacks);
	id_index_deinit(&d->mapping_index);
	id_index_deinit(&d->function_index);
	id_index_deinit(&d->place_index);
	id_index_deinit(&d->origin_index);
	id_index_deinit(&d->sample_index);
	free(d->mappings);
	free(d->functions);
	free(d->places);
	free(d->origins);
	free(d->samples);
	free(d->frame_places);
	free(d->stack_ids);
	free(d->path);
	free(d);
}

u32 dictionary_first_sample(const struct dictionary *d, u32 origin)
{
	u32 low = 0, high = d->sample_cnt;

	while (low < high) {
		u32 middle = low + (high - low) / 2;

		if (d->samples[middle].origin < origin)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int dictionary_stack(const struct dictionary *d, u32 stack, struct place_list *ret)
{
	for (ret->cnt = 0; stack != STACK_ROOT; stack = stack_table_parent(d->stacks, stack)) {
		u32 *at = array_room(ret->at, &ret->capacity, ret->cnt, sizeof(*at));
		if (!at)
			return -ENOMEM;
		ret->at = at;
		at[ret->cnt++] = stack_table_frame(d->stacks, stack);
	}
	return 0;
}
