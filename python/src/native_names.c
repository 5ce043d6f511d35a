/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "native_names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Memory is short: the name is just not kept. */
#define HASH_NONFATAL_OOM	   1
#define uthash_nonfatal_oom(entry) ((entry)->is_kept = false)
#include <uthash.h>

#include "process/file_function.h"
#include "profile/string_table.h"
#include "python/eval_range.h"
#include "symbolize/jit_names.h"
#include "symbolize/symbol_name.h"

/* A place in a file, which stays what it is wherever and however often the file is mapped. */
struct place {
	u64 address; /* vaddr */
	u64 file_id;
};

struct known_place {
	struct place place;
	u64 start; /* vaddr */
	u32 function, file; /* strings */
	bool is_kept;
	UT_hash_handle hh;
};

/* What one takes, with its share of the hash's buckets. */
#define KNOWN_PLACE_SIZE (sizeof(struct known_place) + 32)
/* Of all that is kept; then it starts anew. */
#define NAMES_SIZE_MAX (8u << 20)

/* What CPython calls it since 3.6. */
#define EVAL_LOOP "_PyEval_EvalFrameDefault"

/* The parts of the eval loop in the file that has one. A file is searched when a function of it has no name. */
#define EVAL_RANGES 4
struct eval_parts {
	struct code_range ranges[EVAL_RANGES];
	size_t cnt;
	u32 file_id; /* 0: none was searched */
};

struct native_names {
	struct process_table *processes;
	struct process *process;
	struct jit_names *jit_names;
	struct string_table *strings;
	struct known_place *places;
	struct eval_parts eval;
};

int native_names_new(struct process_table *processes, struct process *process, struct native_names **ret)
{
	_cleanup_(native_names) struct native_names *names = calloc(1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	names->processes = processes;
	names->process = process;

	int err = string_table_new(&names->strings);
	if (!err)
		err = jit_names_new_without_descriptors(&names->jit_names);
	if (err)
		return err;
	*ret = take(names);
	return 0;
}

static void places_forget(struct native_names *names)
{
	struct known_place *place, *next;

	HASH_ITER(hh, names->places, place, next)
	{
		HASH_DEL(names->places, place);
		free(place);
	}
}

void native_names_free(struct native_names *names)
{
	if (!names)
		return;
	places_forget(names);
	string_table_free(names->strings);
	jit_names_free(names->jit_names);
	free(names);
}

/* Before something new is kept. */
static void names_trim(struct native_names *names)
{
	struct string_table *empty;

	if (string_table_bytes(names->strings) + HASH_COUNT(names->places) * KNOWN_PLACE_SIZE <= NAMES_SIZE_MAX)
		return;
	if (string_table_new(&empty)) /* next time, then */
		return;
	places_forget(names);
	string_table_free(names->strings);
	names->strings = empty;
}

static int intern_address(struct native_names *names, u64 address, u32 *ret)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)address);
	return string_table_intern(names->strings, text, ret);
}

static int intern_symbol(struct native_names *names, const char *symbol, u32 *ret)
{
	_cleanup_(free) char *name = strndup(symbol, symbol_name_length(symbol));

	return name ? string_table_intern(names->strings, name, ret) : -ENOMEM;
}

/*
 * When a file is stripped, of the eval loop only its first part keeps the name, and in CPythons of late
 * that is not the one that calls are made from: without this they would have no frame that is known to be Python's.
 */
static bool is_eval_part(struct native_names *names, struct mapped_file *file, u64 address)
{
	struct eval_parts *eval = &names->eval;

	if (!file->python.version)
		return false;
	if (eval->file_id != file->id) {
		*eval = (struct eval_parts){.file_id = file->id};
		if (eval_ranges_find(file->elf, eval->ranges, EVAL_RANGES, &eval->cnt))
			eval->cnt = 0;
	}
	for (size_t i = 0; i < eval->cnt; i++)
		if (address >= eval->ranges[i].start && address < eval->ranges[i].end)
			return true;
	return false;
}

static int place_name(struct native_names *names, struct mapped_file *file, struct known_place *place)
{
	struct file_function function = {.start = place->place.address};

	file_function_find(file, names->process->id.pid, place->place.address, &function);
	if (!function.symbol && is_eval_part(names, file, place->place.address))
		function.symbol = EVAL_LOOP;
	place->start = function.start;
	int err = string_table_intern(names->strings, file->name, &place->file);
	if (err)
		return err;
	return function.symbol ? intern_symbol(names, function.symbol, &place->function)
			       : intern_address(names, function.start, &place->function);
}

static int place_get(struct native_names *names, struct mapped_file *file, u64 address, struct known_place *ret)
{
	const struct place key = {.address = address, .file_id = file->id};
	struct known_place *place;

	HASH_FIND(hh, names->places, &key, sizeof(key), place);
	if (place) {
		*ret = *place;
		return 0;
	}
	names_trim(names);
	*ret = (struct known_place){.place = key};
	int err = place_name(names, file, ret);
	if (err)
		return err;

	place = malloc(sizeof(*place));
	if (!place)
		return 0;
	*place = *ret;
	place->is_kept = true;
	HASH_ADD(hh, names->places, place, sizeof(place->place), place);
	if (!place->is_kept)
		free(place);
	return 0;
}

/* Memory without a file, or with one that is no program: names come and go with what the process puts there, so none is kept. */
static int name_generated(struct native_names *names, const struct mapping *mapping, u64 pc, struct native_name *ret)
{
	const char *name = jit_names_find(names->jit_names, names->process, pc);
	u32 function, file = STRING_EMPTY;
	int err;

	if (!name && !mapping->file)
		return -ENOENT;
	names_trim(names);
	if (name)
		err = string_table_intern(names->strings, name, &function);
	else
		err = intern_address(names, pc - mapping->start + mapping->file_offset, &function);
	if (!err && mapping->file)
		err = string_table_intern(names->strings, mapping->file->name, &file);
	if (err)
		return err;
	*ret = (struct native_name){
		.function = string_table_at(names->strings, function),
		.file = string_table_at(names->strings, file),
		.start = pc,
	};
	return 0;
}

int native_names_find(struct native_names *names, u64 pc, struct native_name *ret)
{
	struct mapping *mapping = process_mapping_file(names->processes, names->process, pc);
	struct known_place place;
	u64 address;

	if (!mapping)
		return -ENOENT;
	struct mapped_file *file = mapping->file;
	if (!file || !file->elf ||
	    elf_file_address_of_offset(file->elf, pc - mapping->start + mapping->file_offset, &address))
		return name_generated(names, mapping, pc, ret);
	int err = place_get(names, file, address, &place);
	if (err)
		return err;
	*ret = (struct native_name){
		.function = string_table_at(names->strings, place.function),
		.file = string_table_at(names->strings, place.file),
		.start = pc - (address - place.start),
	};
	return 0;
}
