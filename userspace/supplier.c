/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "supplier.h"

#include <errno.h>
#include <string.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/remote_memory.h"
#include "process/mapping_origin.h"
#include "unwind/known_code.h"
#include "unwind/extents.h"
#include "unwind/table_store.h"
#include "unwind/unwind_table.h"

#define BUILD_SHARE	10 /* a tenth of one CPU ... */
#define BUILD_CREDIT_NS (500 * NS_PER_MS) /* ... after so much, and at most so much saved up */
#define FILE_KEEP_NS	(60 * NS_PER_S) /* for the next process that maps it */
#define COLD_NS		(20 * NS_PER_S) /* what was used since is not dropped for another: they would take turns */
#define NO_ROOM_NS	(60 * NS_PER_S) /* then a table that did not fit is tried again: others went meanwhile */

#define WANTED_BY_SAMPLE 16 /* against 1 for a file that is only mapped where something was wanted */

/* A file that some process maps, or did lately. */
struct supplied_file {
	u32 id; /* of the mapped_file */
	struct mapped_file *file;
	u32 number; /* in the store */
	u32 refs; /* of map_views */
	u64 idle_ns; /* since when, if there are none */
	u32 wanted;
	u64 no_room_ns; /* since when its table does not fit, with nothing to drop for it; 0: not tried, or it fitted */
	UT_hash_handle hh;
};

/* A process's mappings as the kernel side has them. Shared by all who share the mapping_table: a forked family is one. */
struct map_view {
	struct mapping_table *table; /* a reference: so whoever changes it makes a copy, and another pointer */
	u32 first, cnt, id; /* all 0: nothing is supplied */
	u64 left_out_ns; /* when they did not fit; 0: they did */
	u32 refs;
	struct supplied_file **files;
	u32 file_cnt;
	UT_hash_handle hh;
};

struct supplied_process {
	u32 key;
	struct map_view *view;
	u32 told_id; /* the view's when the row was filled */
	/* What is told of a process as of its last replaced mapping; older ids are wrong after that instant. */
	u32 replaced_cnt, trusted_id;
	u64 replaced_ns;
	UT_hash_handle hh;
};

struct supplier {
	struct process_table *processes;
	struct table_store *store;
	struct supplied_file *files;
	struct map_view *views;
	struct supplied_process *supplied;
	u32 wanted_cnt; /* files that are wanted */
	s64 credit_ns;
	u64 credited_ns;
	u64 waits_ns; /* until then room for a table rests, and none is made; 0: no */
};

int supplier_new(const struct unwind_memory *memory, struct process_table *processes, struct supplier **ret)
{
	_cleanup_(supplier) struct supplier *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->processes = processes;
	s->credit_ns = BUILD_CREDIT_NS;
	s->credited_ns = clock_monotonic_ns();
	int err = table_store_new(memory, &s->store);
	if (err)
		return err;
	*ret = take(s);
	return 0;
}

/* ---- files */

static struct supplied_file *file_find(struct supplier *s, const struct mapped_file *file)
{
	struct supplied_file *known;

	HASH_FIND(hh, s->files, &file->id, sizeof(file->id), known);
	return known;
}

static int file_get(struct supplier *s, struct mapped_file *file, struct supplied_file **ret)
{
	struct supplied_file *known = file_find(s, file);

	if (!known) {
		known = calloc(1, sizeof(*known));
		if (!known)
			return -ENOMEM;
		int err = table_store_add_file(s->store, &known->number);
		if (err) {
			free(known);
			return err;
		}
		known->id = file->id;
		known->file = mapped_file_ref(file);
		HASH_ADD(hh, s->files, id, sizeof(known->id), known);
	}
	*ret = known;
	return 0;
}

static void file_drop(struct supplier *s, struct supplied_file *file, u64 now_ns)
{
	if (file->wanted)
		s->wanted_cnt--;
	table_store_drop_file(s->store, file->number, now_ns);
	mapped_file_unref(file->file);
	HASH_DEL(s->files, file);
	free(file);
}

static void file_want(struct supplier *s, struct supplied_file *file, u32 weight)
{
	if (file->no_room_ns || table_store_is_published(s->store, file->number))
		return;
	if (!file->wanted)
		s->wanted_cnt++;
	if (file->wanted < UINT32_MAX / 2)
		file->wanted += weight;
}

/* ---- mappings */

static void view_leave_files(struct map_view *view, u64 now_ns)
{
	for (u32 i = 0; i < view->file_cnt; i++) {
		if (!--view->files[i]->refs)
			view->files[i]->idle_ns = now_ns;
	}
	view->file_cnt = 0;
	free(take(view->files));
}

static void view_unref(struct supplier *s, struct map_view *view)
{
	u64 now = clock_monotonic_ns();

	if (!view || --view->refs)
		return;
	view_leave_files(view, now);
	if (view->cnt)
		table_store_drop_mappings(s->store, view->first, view->cnt, now);
	HASH_DEL(s->views, view);
	mapping_table_unref(view->table);
	free(view);
}

/* How code that lies in no file is unwound. Only a CPython is worth a look at the bytes: JITs map by the thousand. */
static u32 anonymous_file(const struct process *process, const struct mapping *mapping)
{
	struct remote_memory memory = remote_memory_of_process(process->id.pid);
	u8 bytes[16];

	if (process->python_file && !process->exited && !remote_read(&memory, mapping->start, bytes, sizeof(bytes)) &&
	    known_code_is_perf_trampolines(bytes, sizeof(bytes)))
		return UNWIND_FILE_PERF_TRAMPOLINES;
	return UNWIND_FILE_ANONYMOUS;
}

/* What the kernel side is told of one mapping. */
static int mapping_supply(struct supplier *s, struct map_view *view, const struct process *process,
			  const struct mapping *mapping, struct unwind_mapping *ret)
{
	struct supplied_file *file;
	u64 address;

	*ret = (struct unwind_mapping){
		.start = mapping->start,
		.end = mapping->end,
		.bias = mapping->start,
		.file = mapping->file && !mapping_is_memory_file(mapping) ? UNWIND_FILE_UNREADABLE
									  : anonymous_file(process, mapping),
	};
	if (!mapping->file || !mapping->file->elf ||
	    elf_file_address_of_offset(mapping->file->elf, mapping->file_offset, &address))
		return 0;
	int err = file_get(s, mapping->file, &file);
	if (err)
		return err == -ENOSPC ? 0 : err;
	file->refs++;
	view->files[view->file_cnt++] = file;
	ret->bias = mapping->start - address;
	ret->file = file->number;
	return 0;
}

static int view_fill(struct supplier *s, struct process *process, struct map_view *view)
{
	struct mapped_file_cache *files = process_table_files(s->processes);
	u32 cnt = mapping_table_cnt(view->table);

	if (cnt > MAX_MAPPINGS_OF_PROCESS - 1)
		cnt = MAX_MAPPINGS_OF_PROCESS - 1;
	_cleanup_(free) struct unwind_mapping *mappings = calloc(cnt + 1, sizeof(*mappings));
	view->files = calloc(cnt + 1, sizeof(*view->files));
	if (!mappings || !view->files)
		return -ENOMEM;
	for (u32 i = 0; i < cnt; i++) {
		struct mapping *mapping = mapping_table_at(view->table, i);

		/* The vsyscall page, in the kernel's half: the kernel side's search looks at the sign of differences. */
		if (mapping->start >> 63) {
			cnt = i;
			break;
		}
		mapped_file_get(files, process->exited ? 0 : process->id.pid, mapping);
		int err = mapping_supply(s, view, process, mapping, &mappings[i]);
		if (err)
			return err;
	}
	view->left_out_ns = 0;
	if (!cnt)
		return 0;
	if (table_store_add_mappings(s->store, mappings, cnt, &view->first, &view->id)) {
		view->left_out_ns = clock_monotonic_ns();
		view_leave_files(view, view->left_out_ns);
		return 0;
	}
	view->cnt = cnt;
	return 0;
}

/* What did not fit is tried again: others went meanwhile. */
static bool view_is_due(const struct map_view *view)
{
	return view->left_out_ns && clock_monotonic_ns() - view->left_out_ns > REST_NS;
}

static struct map_view *view_find(struct supplier *s, struct mapping_table *table)
{
	struct map_view *view;

	HASH_FIND(hh, s->views, &table, sizeof(table), view);
	return view;
}

static int view_get(struct supplier *s, struct process *process, struct map_view **ret)
{
	struct map_view *view = view_find(s, process->mappings);

	if (!view) {
		view = calloc(1, sizeof(*view));
		if (!view)
			return -ENOMEM;
		view->table = mapping_table_ref(process->mappings);
		HASH_ADD(hh, s->views, table, sizeof(view->table), view);
		view->refs = 1;
		int err = view_fill(s, process, view);
		if (err) {
			view_unref(s, view);
			return err;
		}
		view->refs = 0;
	}
	view->refs++;
	*ret = view;
	return 0;
}

static struct supplied_process *process_find(struct supplier *s, const struct process *process)
{
	struct supplied_process *supplied;

	HASH_FIND(hh, s->supplied, &process->key, sizeof(process->key), supplied);
	return supplied;
}

static void process_tell(struct supplied_process *supplied, const struct process *process, struct process_row *row)
{
	const struct map_view *view = supplied->view;

	row->mapping = view->first;
	row->mapping_cnt = view->cnt;
	row->mappings_id = view->id;
	if (supplied->told_id == view->id)
		return;
	supplied->told_id = view->id;
	if (!view->id || supplied->replaced_cnt == process->replaced_cnt)
		return;
	supplied->replaced_cnt = process->replaced_cnt;
	supplied->replaced_ns = process->replaced_ns;
	supplied->trusted_id = view->id;
}

int supplier_map(struct supplier *s, struct process *process, struct process_row *row)
{
	struct supplied_process *supplied = process_find(s, process);
	struct map_view *view;

	if (!supplied) {
		supplied = calloc(1, sizeof(*supplied));
		if (!supplied)
			return -ENOMEM;
		supplied->key = process->key;
		HASH_ADD(hh, s->supplied, key, sizeof(supplied->key), supplied);
	}
	if (!supplied->view || supplied->view->table != process->mappings) {
		int err = view_get(s, process, &view);
		if (err)
			return err;
		view_unref(s, supplied->view);
		supplied->view = view;
	} else if (view_is_due(supplied->view)) {
		int err = view_fill(s, process, supplied->view);
		if (err) {
			view_leave_files(supplied->view, clock_monotonic_ns());
			return err;
		}
	}
	process_tell(supplied, process, row);
	return 0;
}

static void process_drop(struct supplier *s, struct supplied_process *supplied)
{
	view_unref(s, supplied->view);
	HASH_DEL(s->supplied, supplied);
	free(supplied);
}

void supplier_forget(struct supplier *s, const struct process *process)
{
	struct supplied_process *supplied = process_find(s, process);

	if (supplied)
		process_drop(s, supplied);
}

void supplier_free(struct supplier *s)
{
	struct supplied_process *supplied, *next;
	struct supplied_file *file, *next_file;

	if (!s)
		return;
	HASH_ITER(hh, s->supplied, supplied, next)
	process_drop(s, supplied);
	HASH_ITER(hh, s->files, file, next_file)
	file_drop(s, file, 0);
	table_store_free(s->store);
	free(s);
}

/* ---- demand */

void supplier_expect(struct supplier *s, struct process *process)
{
	struct supplied_process *supplied = process_find(s, process);

	if (!supplied || !supplied->view)
		return;
	for (u32 i = 0; i < supplied->view->file_cnt; i++)
		file_want(s, supplied->view->files[i], 1);
}

bool supplier_want(struct supplier *s, struct process *process, u64 address)
{
	struct supplied_process *supplied = process_find(s, process);
	struct mapping *mapping = process_mapping_file(s->processes, process, address);

	if (!supplied || !supplied->view || supplied->view->table != process->mappings ||
	    supplied->told_id != supplied->view->id || view_is_due(supplied->view))
		return true;
	struct supplied_file *file = mapping && mapping->file ? file_find(s, mapping->file) : NULL;
	if (!file)
		return false;
	/* The next frames lie in the process's other files, most likely. */
	if (!file->wanted)
		supplier_expect(s, process);
	file_want(s, file, WANTED_BY_SAMPLE);
	return false;
}

bool supplier_was_behind(struct supplier *s, const struct process *process, const struct sample *sample)
{
	if (!process->replaced_cnt || !sample->mappings_id)
		return false;

	const struct supplied_process *supplied = process_find(s, process);
	if (!supplied) {
		/* Forked just now: it walks by what its parent was told last. */
		const struct map_view *view = view_find(s, process->mappings);

		return !view || view->id != sample->mappings_id;
	}
	if (supplied->replaced_cnt != process->replaced_cnt && sample->record.time_ns > process->replaced_ns)
		return true;
	/* Ids wrap. */
	return (s32)(sample->mappings_id - supplied->trusted_id) < 0 && sample->record.time_ns > supplied->replaced_ns;
}

/*
 * Drops tables that nobody used lately until so many rows will fit. False: nothing is left that may be dropped. When
 * nothing rests, and yet the table did not fit, then the holes are too small, whatever they add up to.
 */
static bool room_make(struct supplier *s, const struct unwind_table *table, u64 now_ns)
{
	u32 coldest;

	while (!table_store_will_fit(s->store, table) || !table_store_is_resting(s->store)) {
		if (!table_store_coldest(s->store, now_ns - COLD_NS, &coldest))
			return false;
		table_store_withdraw(s->store, coldest, now_ns);
	}
	return true;
}

static int file_build(struct supplier *s, struct supplied_file *file)
{
	_cleanup_(unwind_table) struct unwind_table *table = NULL;
	struct unwind_table empty = {.rule_cnt = 0};
	u64 now = clock_monotonic_ns();

	int err = unwind_table_build(file->file->elf, &table);
	if (!err)
		err = table_store_publish(s->store, file->number, table, now);
	if (err == -ENOMEM)
		return err;
	if (err == -ENOSPC && table && !table_store_is_too_small(table)) {
		if (room_make(s, table, now)) {
			s->waits_ns = now + REST_NS; /* the file stays wanted */
			return 0;
		}
		file->no_room_ns = now;
	} else if (err) {
		err = table_store_publish(s->store, file->number, &empty, now);
	}
	file->wanted = 0;
	s->wanted_cnt--;
	return err == -ENOSPC ? 0 : err;
}

static struct supplied_file *most_wanted(struct supplier *s)
{
	struct supplied_file *most = NULL;

	for (struct supplied_file *file = s->files; file; file = file->hh.next)
		if (file->wanted && (!most || file->wanted > most->wanted))
			most = file;
	return most;
}

static void credit(struct supplier *s)
{
	u64 now = clock_monotonic_ns();

	s->credit_ns += (now - s->credited_ns) / BUILD_SHARE;
	if (s->credit_ns > (s64)BUILD_CREDIT_NS)
		s->credit_ns = BUILD_CREDIT_NS;
	s->credited_ns = now;
}

bool supplier_is_busy(struct supplier *s)
{
	if (!s->wanted_cnt || s->waits_ns)
		return false;
	credit(s);
	return s->credit_ns > 0;
}

int supplier_turn(struct supplier *s, u64 budget_ns)
{
	u64 begin = clock_monotonic_ns();

	while (supplier_is_busy(s)) {
		u64 cpu = clock_own_cpu_ns();
		struct supplied_file *file = most_wanted(s);

		if (file) {
			int err = file_build(s, file);
			if (err)
				return err;
		}
		s->credit_ns -= clock_own_cpu_ns() - cpu;
		if (clock_monotonic_ns() - begin > budget_ns)
			break;
	}
	return 0;
}

void supplier_tick(struct supplier *s, u64 now_ns)
{
	struct supplied_file *file, *next;

	HASH_ITER(hh, s->files, file, next)
	{
		if (!file->refs && now_ns - file->idle_ns > FILE_KEEP_NS)
			file_drop(s, file, now_ns);
		else if (file->no_room_ns && now_ns - file->no_room_ns > NO_ROOM_NS)
			file->no_room_ns = 0;
	}
	table_store_tick(s->store, now_ns);
	if (now_ns >= s->waits_ns)
		s->waits_ns = 0;
}
