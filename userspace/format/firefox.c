/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * firefox.c - writes what the Firefox Profiler (profiler.firefox.com) calls a
 * processed profile, as of its version 60: it upgrades old ones for ever. One track for each
 * process, with --threads for each thread, and
 * --per container puts those of a container under one; categories, and so colours, by kind of
 * frame. A row of a track's samples is a stack with its count; we keep no times,
 * so they stand one after another.
 *
 * Tables are objects of columns. Their rows: stringTable and frameTable those of
 * dictionary.h, stackTable its stacks without the empty one, a parent before its children.
 */
#include <errno.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "base/visible.h"
#include "format/dictionary.h"
#include "format/format.h"
#include "format/json_stream.h"
#include "format/origin_name.h"
#include "profile/root.h"
#include "pyprof/version.h"

#define FIREFOX_PROCESSED_VERSION 60
#define FIREFOX_GECKO_VERSION	  29 /* of the layout that Firefox itself writes; what 60 goes with */
#define FIREFOX_RESOURCE_LIBRARY  1

/* The colours are names that the viewer knows. */
static const struct {
	const char *name, *color;
} categories[FRAME_KIND_CNT] = {
	[FRAME_PYTHON] = {"Python", "yellow"}, [FRAME_NATIVE] = {"Native", "blue"},
	[FRAME_KERNEL] = {"Kernel", "orange"}, [FRAME_LOSS] = {"Missing", "grey"},
	[FRAME_MARK] = {"Other", "grey"},
};

/* A function as the viewer has it belongs to one library or source. */
struct firefox_function {
	u32 function, mapping; /* indices in the dictionary */
};

struct firefox {
	const struct dictionary *dictionary;
	const struct truth *truth;
	struct json_stream json;
	double interval_ms;
	struct firefox_function *functions;
	u32 function_cnt, function_capacity;
	struct id_index function_index;
	u32 *place_functions; /* by place */
};

static int function_intern(struct firefox *f, const struct dictionary_place *place, u32 *ret)
{
	u64 hash = id_hash(place->function, place->mapping);
	u32 at = id_index_start(&f->function_index, hash), id;

	while (id_index_next(&f->function_index, hash, &at, &id)) {
		if (f->functions[id].function == place->function && f->functions[id].mapping == place->mapping) {
			*ret = id;
			return 0;
		}
	}
	struct firefox_function *rows = array_room(f->functions, &f->function_capacity, f->function_cnt, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	f->functions = rows;
	rows[f->function_cnt] = (struct firefox_function){place->function, place->mapping};
	*ret = f->function_cnt;
	return id_index_add(&f->function_index, hash, f->function_cnt++);
}

static int functions_fill(struct firefox *f)
{
	const struct dictionary *d = f->dictionary;
	int err = 0;

	f->place_functions = calloc(d->place_cnt + 1, sizeof(*f->place_functions));
	if (!f->place_functions)
		return -ENOMEM;
	for (u32 i = 0; !err && i < d->place_cnt; i++)
		err = function_intern(f, &d->places[i], &f->place_functions[i]);
	return err;
}

/* ---- columns ---- */

/* cnt times the same; a negative number is null. */
static void column_of(struct firefox *f, const char *name, u32 cnt, json_int_t value)
{
	json_open(&f->json, name, '[');
	for (u32 i = 0; i < cnt; i++)
		json_put(&f->json, NULL, value == -1 ? json_null() : json_integer(value));
	json_close(&f->json, ']');
}

#define COLUMN(f, name, cnt, value)                          \
	do {                                                 \
		json_open(&(f)->json, name, '[');            \
		for (u32 i = 0; i < (cnt); i++)              \
			json_put(&(f)->json, NULL, (value)); \
		json_close(&(f)->json, ']');                 \
	} while (0)

static json_t *number_or_null(u64 number, bool there)
{
	return there ? json_integer((json_int_t)number) : json_null();
}

static bool is_library(const struct dictionary_mapping *mapping)
{
	return mapping->kind == FRAME_NATIVE || mapping->kind == FRAME_KERNEL;
}

/* Index of a mapping among those that are libraries. */
static u32 library_of(const struct dictionary *d, u32 mapping)
{
	u32 library = 0;

	for (u32 i = 0; i < mapping; i++)
		library += is_library(&d->mappings[i]);
	return library;
}

/* ---- what all tracks share ---- */

static void strings_write(struct firefox *f)
{
	const struct dictionary *d = f->dictionary;

	COLUMN(f, "stringArray", string_table_cnt(d->strings), json_string(dictionary_text(d, i)));
}

/* A row for each string that is a file of Python's: their number is the string's. */
static void sources_write(struct firefox *f)
{
	u32 cnt = string_table_cnt(f->dictionary->strings);

	json_open(&f->json, "sources", '{');
	json_put_number(&f->json, "length", cnt);
	column_of(f, "uuid", cnt, -1);
	COLUMN(f, "filename", cnt, json_integer(i));
	json_close(&f->json, '}');
}

static void stacks_write(struct firefox *f)
{
	const struct stack_table *stacks = f->dictionary->stacks;
	u32 cnt = stack_table_cnt(stacks) - 1;

	json_open(&f->json, "stackTable", '{');
	json_put_number(&f->json, "length", cnt);
	COLUMN(f, "frame", cnt, json_integer(stack_table_frame(stacks, i + 1)));
	COLUMN(f, "prefix", cnt,
	       number_or_null(stack_table_parent(stacks, i + 1) - 1, stack_table_parent(stacks, i + 1) != STACK_ROOT));
	json_close(&f->json, '}');
}

static void frames_write(struct firefox *f)
{
	const struct dictionary *d = f->dictionary;
	u32 cnt = d->place_cnt;

	json_open(&f->json, "frameTable", '{');
	json_put_number(&f->json, "length", cnt);
	COLUMN(f, "address", cnt, json_integer(-1));
	column_of(f, "inlineDepth", cnt, 0);
	COLUMN(f, "category", cnt, json_integer(d->places[i].kind));
	column_of(f, "subcategory", cnt, 0);
	COLUMN(f, "func", cnt, json_integer(f->place_functions[i]));
	column_of(f, "nativeSymbol", cnt, -1);
	column_of(f, "innerWindowID", cnt, 0);
	COLUMN(f, "line", cnt, number_or_null(d->places[i].line, d->places[i].line));
	column_of(f, "column", cnt, -1);
	json_close(&f->json, '}');
}

static json_t *function_source(const struct firefox *f, u32 i)
{
	u32 file = f->dictionary->functions[f->functions[i].function].file;

	return number_or_null(file, file != STRING_EMPTY);
}

static json_t *function_resource(const struct firefox *f, u32 i)
{
	const struct dictionary *d = f->dictionary;
	u32 mapping = f->functions[i].mapping;

	if (mapping == MAPPING_NONE || !is_library(&d->mappings[mapping]))
		return json_integer(-1);
	return json_integer(library_of(d, mapping));
}

static void functions_write(struct firefox *f)
{
	u32 cnt = f->function_cnt;

	json_open(&f->json, "funcTable", '{');
	json_put_number(&f->json, "length", cnt);
	COLUMN(f, "name", cnt, json_integer(f->dictionary->functions[f->functions[i].function].name));
	COLUMN(f, "isJS", cnt, json_false());
	COLUMN(f, "relevantForJS", cnt, json_false());
	COLUMN(f, "resource", cnt, function_resource(f, i));
	COLUMN(f, "source", cnt, function_source(f, i));
	column_of(f, "lineNumber", cnt, -1);
	column_of(f, "columnNumber", cnt, -1);
	json_close(&f->json, '}');
}

static void libraries_write(struct firefox *f)
{
	const struct dictionary *d = f->dictionary;

	json_open(&f->json, "libs", '[');
	for (u32 i = 0; i < d->mapping_cnt; i++) {
		const char *name = dictionary_text(d, d->mappings[i].name);

		if (is_library(&d->mappings[i]))
			json_put(&f->json, NULL,
				 json_pack("{ss ss ss ss ss ss sn}", "arch", "x86_64", "name", name, "path", name,
					   "debugName", name, "debugPath", name, "breakpadId", "", "codeId"));
	}
	json_close(&f->json, ']');
}

static void resources_write(struct firefox *f)
{
	const struct dictionary *d = f->dictionary;
	u32 cnt = library_of(d, d->mapping_cnt);

	json_open(&f->json, "resourceTable", '{');
	json_put_number(&f->json, "length", cnt);
	COLUMN(f, "lib", cnt, json_integer(i));
	json_open(&f->json, "name", '[');
	for (u32 i = 0; i < d->mapping_cnt; i++)
		if (is_library(&d->mappings[i]))
			json_put_number(&f->json, NULL, d->mappings[i].name);
	json_close(&f->json, ']');
	column_of(f, "host", cnt, -1);
	column_of(f, "type", cnt, FIREFOX_RESOURCE_LIBRARY);
	json_close(&f->json, '}');
}

static void shared_write(struct firefox *f)
{
	static const char *const symbol_columns[] = {"address", "libIndex", "name", "functionSize"};

	json_open(&f->json, "shared", '{');
	strings_write(f);
	sources_write(f);
	stacks_write(f);
	frames_write(f);
	functions_write(f);
	resources_write(f);
	json_open(&f->json, "nativeSymbols", '{');
	json_put_number(&f->json, "length", 0);
	for (size_t i = 0; i < sizeof(symbol_columns) / sizeof(*symbol_columns); i++)
		column_of(f, symbol_columns[i], 0, 0);
	json_close(&f->json, '}');
	json_close(&f->json, '}');
}

/* ---- tracks ---- */

static void samples_write(struct firefox *f, u32 first, u32 end)
{
	const struct dictionary_sample *samples = f->dictionary->samples + first;
	u32 cnt = end - first;
	u64 before = 0;

	json_open(&f->json, "samples", '{');
	json_put_number(&f->json, "length", cnt);
	COLUMN(f, "stack", cnt, number_or_null(samples[i].stack - 1, samples[i].stack != STACK_ROOT));
	json_open(&f->json, "time", '[');
	for (u32 i = 0; i < cnt; i++) {
		json_put(&f->json, NULL, json_real((double)before * f->interval_ms));
		before += samples[i].samples;
	}
	json_close(&f->json, ']');
	COLUMN(f, "weight", cnt, json_integer((json_int_t)samples[i].samples));
	json_put_text(&f->json, "weightType", "samples");
	json_close(&f->json, '}');
}

static void markers_write(struct firefox *f)
{
	static const char *const columns[] = {"category", "data", "endTime", "name", "phase", "startTime"};

	json_open(&f->json, "markers", '{');
	json_put_number(&f->json, "length", 0);
	for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++)
		column_of(f, columns[i], 0, 0);
	json_close(&f->json, '}');
}

struct track {
	const char *process, *thread;
	u32 pid, tid;
	bool is_main;
	u32 first, end; /* samples */
};

static void track_write(struct firefox *f, const struct track *track)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%u", track->pid);
	json_open(&f->json, NULL, '{');
	json_put_text(&f->json, "processType", "default");
	json_put_text(&f->json, "processName", track->process);
	json_put_number(&f->json, "processStartupTime", 0);
	json_put_null(&f->json, "processShutdownTime");
	json_put_number(&f->json, "registerTime", 0);
	json_put_null(&f->json, "unregisterTime");
	json_open(&f->json, "pausedRanges", '[');
	json_close(&f->json, ']');
	json_put_text(&f->json, "name", track->thread);
	json_put(&f->json, "isMainThread", json_boolean(track->is_main));
	json_put_text(&f->json, "pid", pid);
	json_put_number(&f->json, "tid", track->tid);
	samples_write(f, track->first, track->end);
	markers_write(f);
	json_close(&f->json, '}');
}

/*
 * What the viewer takes for one process has one number. With --per container that is a container, whose processes
 * stand where threads do; without pids each origin is one of its own.
 */
static u32 process_number(const struct dictionary *d, u32 index)
{
	const struct origin *origin = &d->origins[index];

	if (d->view.per == PER_CONTAINER)
		return origin->labels + 1;
	return origin->pid ? origin->pid : index + 1;
}

static void track_put_names(const struct dictionary *d, const struct origin *origin, struct strbuf *process,
			    struct strbuf *thread)
{
	const struct string_table *strings = profile_tables_of(d->profile)->strings;
	const char *name = string_table_at(strings, origin->tid ? origin->thread_comm : origin->comm);

	if (d->view.per == PER_CONTAINER) {
		origin_put_place(d->profile, origin, process);
		origin_put_track(d->profile, origin, &d->view, thread);
		return;
	}
	origin_put_name(d, &(struct origin){.pid = origin->pid, .comm = origin->comm, .labels = origin->labels},
			process);
	visible_put(thread, *name ? name : "?");
}

static int origin_write(struct firefox *f, u32 index)
{
	const struct dictionary *d = f->dictionary;
	const struct origin *origin = &d->origins[index];
	u32 number = process_number(d, index);
	STRBUF(process);
	STRBUF(thread);

	track_put_names(d, origin, &process, &thread);
	if (process.failed || thread.failed)
		return -ENOMEM;
	track_write(f, &(struct track){
			       .process = process.at,
			       .thread = thread.at,
			       .pid = number,
			       .tid = origin->tid   ? origin->tid
				      : origin->pid ? origin->pid
						    : index + 1,
			       .is_main = d->view.per != PER_CONTAINER && (!origin->tid || origin->tid == origin->pid),
			       .first = dictionary_first_sample(d, index),
			       .end = dictionary_first_sample(d, index + 1),
		       });
	return 0;
}

static int tracks_write(struct firefox *f)
{
	u32 cnt = f->dictionary->origin_cnt;
	int err = 0;

	json_open(&f->json, "threads", '[');
	for (u32 i = 0; !err && i < cnt; i++)
		err = origin_write(f, i);
	/* The viewer does not open a profile without any. */
	if (!cnt)
		track_write(f, &(struct track){.process = "no samples", .thread = "no samples", .is_main = true});
	json_close(&f->json, ']');
	return err;
}

/* ---- the document ---- */

static void meta_write(struct firefox *f)
{
	json_open(&f->json, "meta", '{');
	json_put(&f->json, "interval", json_real(f->interval_ms));
	json_put(&f->json, "startTime", json_real((double)f->truth->start_realtime_ns / NS_PER_MS));
	json_put_number(&f->json, "processType", 0);
	json_put_text(&f->json, "product", "pyprof-bpf");
	json_put_text(&f->json, "importedFrom", "pyprof-bpf " PYPROF_VERSION);
	json_put_number(&f->json, "stackwalk", 1);
	json_put_number(&f->json, "version", FIREFOX_GECKO_VERSION);
	json_put_number(&f->json, "preprocessedProfileVersion", FIREFOX_PROCESSED_VERSION);
	json_put(&f->json, "symbolicated", json_true());
	json_put(&f->json, "usesOnlyOneStackType", json_true());
	json_put(&f->json, "doesNotUseFrameImplementation", json_true());
	json_put(&f->json, "sourceCodeIsNotOnSearchfox", json_true());
	json_open(&f->json, "categories", '[');
	for (size_t i = 0; i < FRAME_KIND_CNT; i++)
		json_put(&f->json, NULL,
			 json_pack("{ss ss s[s]}", "name", categories[i].name, "color", categories[i].color,
				   "subcategories", "Other"));
	json_close(&f->json, ']');
	json_open(&f->json, "markerSchema", '[');
	json_close(&f->json, ']');
	json_close(&f->json, '}');
}

static int document_write(struct firefox *f)
{
	int err = functions_fill(f);

	if (err)
		return err;
	json_open(&f->json, NULL, '{');
	meta_write(f);
	libraries_write(f);
	shared_write(f);
	err = tracks_write(f);
	if (err)
		return err;
	json_close(&f->json, '}');
	return json_finish(&f->json);
}

int firefox_write(const struct profile *profile, const struct truth *truth, const struct view *view, FILE *out)
{
	_cleanup_(profile) struct profile *tracks = NULL;
	_cleanup_(dictionary) struct dictionary *dictionary = NULL;

	int err = profile_by_track(profile, view, &tracks);
	if (!err)
		err = dictionary_new(tracks, view, false, &dictionary);
	if (err)
		return err;
	struct firefox f = {.dictionary = dictionary,
			    .truth = truth,
			    .json = {.out = out},
			    .interval_ms = truth->hz ? 1000.0 / truth->hz : 1};
	err = document_write(&f);
	id_index_deinit(&f.function_index);
	free(f.functions);
	free(f.place_functions);
	return err;
}
