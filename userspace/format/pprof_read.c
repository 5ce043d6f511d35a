/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pprof_read.c - pprof's profiles, packed or not: our own as they were, and those of
 * others. Of these the count of samples is taken (else what is shown by default, CPU time
 * divided by the period), of native frames the library and not the source, and of
 * labels those that we know.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "format/dictionary.h"
#include "format/gzip.h"
#include "format/pprof_comment.h"
#include "format/reader.h"
#include "proto/pprof.pb-c.h"

/* What a file may become: some megabytes can ask for all memory that there is. */
#define UNPACKED_MAX (512u << 20)
#define MESSAGE_MAX  (2ull << 30)
/* Frames of all samples: inlined functions make many of few bytes. */
#define WORK_MAX (1ull << 30)

/* Memory for protobuf-c, bounded. */
struct allowance {
	u64 left;
	bool failed;
};

static void *allowance_alloc(void *ctx, size_t size)
{
	struct allowance *allowance = ctx;
	void *at = size <= allowance->left ? malloc(size) : NULL;

	if (at)
		allowance->left -= size;
	else
		allowance->failed = true;
	return at;
}

static void allowance_free(void *ctx, void *at)
{
	free(at);
}

/* Rows by their id. */
struct id_rows {
	u64 *ids;
	struct id_index index;
};

/* The frames of a location: inlined functions are frames of their own. */
struct location_frames {
	u32 first, cnt; /* in frames, innermost first */
};

struct pprof_reader {
	struct read_profile *read;
	struct strbuf *why;
	const Pprof__Profile *profile;
	struct id_rows mappings, functions, locations;
	struct location_frames *location_frames; /* by location */
	u32 *frames;
	u32 frame_cnt, frame_capacity;
	u32 program; /* string id: comm of samples that have none */
	size_t value; /* which of a sample's */
	u64 divisor; /* of that */
	u64 work; /* frames so far */
};

static int refuse(struct pprof_reader *r, const char *what)
{
	strbuf_put(r->why, what);
	return -EBADMSG;
}

/* "" for what is out of range. */
static const char *text_at(const struct pprof_reader *r, int64_t i)
{
	return i >= 0 && (u64)i < r->profile->n_string_table ? r->profile->string_table[i] : "";
}

/* ---- ids ---- */

static bool rows_find(const struct id_rows *rows, u64 id, u32 *ret)
{
	u64 hash = id_hash(id, 0);
	u32 at = id_index_start(&rows->index, hash), row;

	while (id_index_next(&rows->index, hash, &at, &row)) {
		if (rows->ids[row] == id) {
			*ret = row;
			return true;
		}
	}
	return false;
}

/* Twins would make every look-up a walk through all of them. */
static int rows_add(struct pprof_reader *r, struct id_rows *rows, u32 row, u64 id)
{
	u32 other;

	if (rows_find(rows, id, &other))
		return refuse(r, "two of its rows have the same id");
	rows->ids[row] = id;
	return id_index_add(&rows->index, id_hash(id, 0), row);
}

static int rows_new(struct id_rows *rows, size_t cnt)
{
	rows->ids = calloc(cnt + 1, sizeof(*rows->ids));
	return rows->ids ? 0 : -ENOMEM;
}

static void rows_free(struct id_rows *rows)
{
	id_index_deinit(&rows->index);
	free(rows->ids);
}

static int ids_read(struct pprof_reader *r)
{
	const Pprof__Profile *p = r->profile;
	int err = rows_new(&r->mappings, p->n_mapping);

	if (!err)
		err = rows_new(&r->functions, p->n_function);
	if (!err)
		err = rows_new(&r->locations, p->n_location);
	for (size_t i = 0; !err && i < p->n_mapping; i++)
		err = rows_add(r, &r->mappings, i, p->mapping[i]->id);
	for (size_t i = 0; !err && i < p->n_function; i++)
		err = rows_add(r, &r->functions, i, p->function[i]->id);
	for (size_t i = 0; !err && i < p->n_location; i++)
		err = rows_add(r, &r->locations, i, p->location[i]->id);
	return err;
}

/* ---- frames ---- */

struct location_place {
	const char *mapping, *build_id; /* "": not known */
	u64 address; /* in the file, if the mapping says where that lies */
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_python_file(const char *file)
{
	size_t size = strlen(file);

	return (size > 3 && !strcmp(file + size - 3, ".py")) || (size > 2 && file[0] == '<' && file[size - 1] == '>');
}

/* What people were shown as the name of its file, when the path does not tell; NULL: the path does. See pprof.c. */
static const char *shown_name(const char *source)
{
	size_t size = strlen(MAPPING_SHOWN_AS);

	return strncmp(source, MAPPING_SHOWN_AS, size) ? NULL : source + size;
}

/* Of what lies in this mapping, in a function of that source. */
static u8 kind_of(const char *mapping, const char *source)
{
	if (shown_name(source))
		return FRAME_NATIVE;
	if (!strcmp(mapping, MAPPING_PYTHON))
		return FRAME_PYTHON;
	if (!strncmp(mapping, "[kernel", strlen("[kernel")) || !strcmp(base_name(mapping), "vmlinux"))
		return FRAME_KERNEL;
	return is_python_file(source) ? FRAME_PYTHON : FRAME_NATIVE;
}

/* An address that was given its library to be told apart ("0x10 (a.so)", see dictionary.c) is just the address. */
static size_t name_size(const char *name, const char *file)
{
	size_t size = strlen(name), file_size = strlen(file);

	if (strncmp(name, "0x", 2) || !file_size || size < file_size + 3)
		return size;
	const char *end = name + size - file_size - 3;
	return end[0] == ' ' && end[1] == '(' && !strncmp(end + 2, file, file_size) && end[file_size + 2] == ')'
		       ? size - file_size - 3
		       : size;
}

/* What people call the library of a native frame. To be freed; NULL: memory is short. */
static char *library_name(const char *mapping, const char *source)
{
	const char *shown = shown_name(source);

	if (shown)
		return strdup(shown);
	return *mapping ? mapping_shown_name(mapping) : strdup(base_name(source));
}

/* Of a native or kernel frame. */
static int file_read_row(struct pprof_reader *r, const struct location_place *place, u32 *ret)
{
	struct file_row row;
	int err = read_string(r->read, place->mapping, strlen(place->mapping), &row.path);

	if (!err)
		err = read_string(r->read, place->build_id, strlen(place->build_id), &row.build_id);
	return err ? err : file_table_intern(r->read->tables.files, &row, ret);
}

static int frame_read(struct pprof_reader *r, const struct location_place *place, const char *name, const char *source,
		      u64 line, u32 *ret)
{
	struct frame frame = {.kind = kind_of(place->mapping, source), .address = place->address};
	_cleanup_(free) char *library = NULL;
	const char *file = "";
	int err;

	if (!strcmp(place->mapping, MAPPING_OURS) &&
	    (err = read_bracketed(r->read, name, strlen(name), ret)) != -ENOENT)
		return err;
	if (frame.kind == FRAME_PYTHON) {
		file = source;
		frame.line = line <= 0xffffffff ? line : 0;
		frame.address = 0;
		r->read->view.lines |= frame.line;
	} else if (frame.kind == FRAME_NATIVE) {
		file = library = library_name(place->mapping, source);
		if (!library)
			return -ENOMEM;
	}
	err = frame.kind == FRAME_PYTHON ? 0 : file_read_row(r, place, &frame.file_id);
	if (!err)
		err = read_string(r->read, name, frame.kind == FRAME_NATIVE ? name_size(name, file) : strlen(name),
				  &frame.function);
	if (!err)
		err = read_string(r->read, file, strlen(file), &frame.file);
	return err ? err : read_frame(r->read, &frame, ret);
}

static int frames_push(struct pprof_reader *r, u32 frame)
{
	u32 *frames = array_room(r->frames, &r->frame_capacity, r->frame_cnt, sizeof(*frames));
	if (!frames)
		return -ENOMEM;
	r->frames = frames;
	frames[r->frame_cnt++] = frame;
	return 0;
}

static struct location_place place_of(const struct pprof_reader *r, const Pprof__Location *location)
{
	struct location_place place = {"", "", location->address};
	u32 row;

	if (!location->mapping_id || !rows_find(&r->mappings, location->mapping_id, &row))
		return place;
	const Pprof__Mapping *mapping = r->profile->mapping[row];
	if (location->address >= mapping->memory_start && location->address < mapping->memory_limit)
		place.address = location->address - mapping->memory_start + mapping->file_offset;
	place.mapping = text_at(r, mapping->filename);
	place.build_id = text_at(r, mapping->build_id);
	return place;
}

static int line_read(struct pprof_reader *r, const Pprof__Location *location, const Pprof__Line *line)
{
	const struct location_place place = place_of(r, location);
	u32 row, frame;

	if (!rows_find(&r->functions, line->function_id, &row))
		return refuse(r, "a location refers to a function that is not there");
	const Pprof__Function *function = r->profile->function[row];
	const char *name = text_at(r, function->name);
	int err = frame_read(r, &place, *name ? name : text_at(r, function->system_name),
			     text_at(r, function->filename), line->line > 0 ? line->line : 0, &frame);
	return err ? err : frames_push(r, frame);
}

static int nameless_read(struct pprof_reader *r, const Pprof__Location *location)
{
	const struct location_place place = place_of(r, location);
	char name[32];
	u32 frame;

	snprintf(name, sizeof(name), "0x%llx", place.address);
	int err = frame_read(r, &place, name, "", 0, &frame);
	return err ? err : frames_push(r, frame);
}

static int locations_read(struct pprof_reader *r)
{
	const Pprof__Profile *p = r->profile;
	int err = 0;

	r->location_frames = calloc(p->n_location + 1, sizeof(*r->location_frames));
	if (!r->location_frames)
		return -ENOMEM;
	for (size_t i = 0; !err && i < p->n_location; i++) {
		const Pprof__Location *location = p->location[i];
		u32 first = r->frame_cnt;

		if (!location->n_line)
			err = nameless_read(r, location);
		for (size_t k = 0; !err && k < location->n_line; k++)
			err = line_read(r, location, location->line[k]);
		r->location_frames[i] = (struct location_frames){first, r->frame_cnt - first};
	}
	return err;
}

/* ---- samples ---- */

static int label_read(struct pprof_reader *r, const Pprof__Label *label, struct origin *origin, struct label_set *set)
{
	const char *text = text_at(r, label->str);
	enum label kind;
	u32 string;

	if (label_find(text_at(r, label->key), &kind))
		return 0;
	if (label_is_number(kind)) {
		u32 number = label->num > 0 && label->num <= 0xffffffff ? label->num : 0;

		*(kind == LABEL_PID ? &origin->pid : &origin->tid) = number;
		return 0;
	}
	int err = read_string(r->read, text, strlen(text), &string);
	if (err)
		return err;
	*(kind < LABEL_PLACE_CNT ? &set->values[kind] : origin_text(origin, kind)) = string;
	return 0;
}

static int origin_read(struct pprof_reader *r, const Pprof__Sample *sample, struct origin *ret)
{
	struct label_set set = {0};
	int err = 0;

	*ret = (struct origin){.comm = r->program};
	for (size_t i = 0; !err && i < sample->n_label; i++)
		err = label_read(r, sample->label[i], ret, &set);
	return err ? err : label_table_intern(r->read->tables.labels, &set, &ret->labels);
}

static int stack_read(struct pprof_reader *r, const Pprof__Sample *sample, u32 *ret)
{
	u32 depth = 0, row;
	int err = 0;

	*ret = STACK_ROOT;
	for (size_t i = sample->n_location_id; i-- > 0;) {
		if (!rows_find(&r->locations, sample->location_id[i], &row))
			return refuse(r, "a sample refers to a location that is not there");
		const struct location_frames *frames = &r->location_frames[row];
		for (u32 k = frames->cnt; !err && k-- > 0;) {
			if (++depth > READ_DEPTH_MAX)
				return refuse(r, "a sample is deeper than any stack");
			if (++r->work > WORK_MAX)
				return -EFBIG;
			err = stack_table_push(r->read->tables.stacks, *ret, r->frames[frames->first + k], ret);
		}
		if (err)
			return err;
	}
	return 0;
}

static int sample_read(struct pprof_reader *r, const Pprof__Sample *sample)
{
	struct origin origin;
	u32 stack;

	if (sample->n_value != r->profile->n_sample_type)
		return refuse(r, "a sample has not one value for each type");
	if (sample->value[r->value] < 0)
		return refuse(r, "it is a difference of two profiles: it has negative counts");
	u64 samples = ((u64)sample->value[r->value] + r->divisor / 2) / r->divisor;
	if (!samples) {
		r->read->skipped++;
		return 0;
	}
	int err = stack_read(r, sample, &stack);
	if (!err)
		err = origin_read(r, sample, &origin);
	return err ? err : read_sample(r->read, &origin, stack, samples);
}

/* ---- the head ---- */

static bool type_is(const struct pprof_reader *r, const Pprof__ValueType *type, const char *name, const char *unit)
{
	return type && !strcmp(text_at(r, type->unit), unit) && (!name || !strcmp(text_at(r, type->type), name));
}

static void value_choose(struct pprof_reader *r)
{
	const Pprof__Profile *p = r->profile;
	const char *shown = text_at(r, p->default_sample_type);

	r->divisor = 1;
	r->value = p->n_sample_type - 1; /* what pprof shows when nothing else is said */
	for (size_t i = 0; i < p->n_sample_type; i++) {
		if (*shown && !strcmp(text_at(r, p->sample_type[i]->type), shown))
			r->value = i;
		if (type_is(r, p->sample_type[i], "samples", "count")) {
			r->value = i;
			return;
		}
	}
	if (type_is(r, p->sample_type[r->value], NULL, "nanoseconds") &&
	    type_is(r, p->period_type, NULL, "nanoseconds") && p->period > 0)
		r->divisor = p->period;
}

/* The main program is the first mapping that is a file. */
static int program_read(struct pprof_reader *r)
{
	const Pprof__Profile *p = r->profile;

	for (size_t i = 0; i < p->n_mapping; i++) {
		const char *name = base_name(text_at(r, p->mapping[i]->filename));

		if (*name && *name != '[' && strcmp(text_at(r, p->mapping[0]->filename), MAPPING_OURS))
			return read_string(r->read, name, strlen(name), &r->program);
	}
	return 0;
}

static void truth_read(struct pprof_reader *r)
{
	const Pprof__Profile *p = r->profile;
	struct truth *truth = &r->read->truth;

	if (type_is(r, p->period_type, "cpu", "nanoseconds") && p->period > 0) {
		u64 hz = (NS_PER_S + (u64)p->period / 2) / (u64)p->period;

		truth->hz = hz <= READ_HZ_MAX ? hz : 0;
	}
	if (p->time_nanos > 0)
		truth->start_realtime_ns = p->time_nanos;
	if (p->duration_nanos > 0)
		truth->seconds = (double)p->duration_nanos / NS_PER_S;
	for (size_t i = 0; i < p->n_comment; i++)
		pprof_comment_read(text_at(r, p->comment[i]), truth, &r->read->common);
}

static int message_read(struct pprof_reader *r)
{
	if (!r->profile->n_sample_type)
		return refuse(r, "it is no pprof profile: it does not say what its samples are");
	value_choose(r);
	truth_read(r);
	int err = ids_read(r);
	if (!err)
		err = program_read(r);
	if (!err)
		err = locations_read(r);
	for (size_t i = 0; !err && i < r->profile->n_sample; i++)
		err = sample_read(r, r->profile->sample[i]);
	return err;
}

static int plain_read(const void *bytes, size_t size, struct read_profile *ret, struct strbuf *why)
{
	struct allowance allowance = {.left = MESSAGE_MAX};
	ProtobufCAllocator allocator = {allowance_alloc, allowance_free, &allowance};
	struct pprof_reader r = {.read = ret, .why = why};
	Pprof__Profile *profile = pprof__profile__unpack(&allocator, size, bytes);

	if (!profile && allowance.failed)
		return -EFBIG;
	if (!profile)
		return refuse(&r, "it is no pprof profile");
	r.profile = profile;
	int err = message_read(&r);
	rows_free(&r.mappings);
	rows_free(&r.functions);
	rows_free(&r.locations);
	free(r.location_frames);
	free(r.frames);
	pprof__profile__free_unpacked(profile, &allocator);
	return err;
}

int pprof_read(const void *bytes, size_t size, struct read_profile *ret, struct strbuf *why)
{
	_cleanup_(free) void *plain = NULL;
	size_t plain_size;

	if (!gzip_is(bytes, size))
		return plain_read(bytes, size, ret, why);
	int err = gzip_unpack(bytes, size, UNPACKED_MAX, &plain, &plain_size);
	if (err == -EBADMSG)
		strbuf_put(why, "the gzip file is damaged or cut");
	return err ? err : plain_read(plain, plain_size, ret, why);
}
