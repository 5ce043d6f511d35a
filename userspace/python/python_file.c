/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/python_file.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "python/eval_range.h"
#include "python/interp_head.h"
#include "python/layout.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define VERSION(major, minor) ((u32)(major) << 24 | (u32)(minor) << 16)
#define MINOR_OF(version)     ((version)&0xffff0000)

/*
 * The release level, where 0xf is final (Include/patchlevel.h). 0 is ours: of
 * this version only major and minor are known.
 */
#define LEVEL_OF(version) ((version) >> 4 & 15)
#define LEVEL_FINAL	  15

/* The newest version that does not describe itself. */
#define LAST_PLAIN_VERSION VERSION(3, 12)

/* Public objects by the version that brought them, newest first: what a file has that no longer tells its version. */
static const struct {
	const char *object;
	u32 since;
} objects_since[] = {
	{"PyExc_BaseExceptionGroup", VERSION(3, 11)},
	{"PyExc_EncodingWarning", VERSION(3, 10)},
	{"Py_GenericAliasType", VERSION(3, 9)},
	{"PyPickleBuffer_Type", VERSION(3, 8)},
	{"_PyRuntime", VERSION(3, 7)},
	{"PyAsyncGen_Type", VERSION(3, 6)},
	{"PyCoro_Type", VERSION(3, 5)},
	{"PyBytes_Type", VERSION(3, 0)},
	{"PyString_Type", VERSION(2, 7)},
};

static bool has_object(struct elf_file *elf, const char *name)
{
	u64 address, size;

	return elf_file_object(elf, name, &address, &size) == 0;
}

/* From 3.7 on there is _PyRuntime, in a section of its own that stripping leaves. -ENOENT. */
static int runtime_find(struct elf_file *elf, u64 *ret)
{
	u64 size;
	int err = elf_file_object(elf, "_PyRuntime", ret, &size);

	return err ? elf_file_section(elf, ".PyRuntime", ret, &size) : 0;
}

/* 3.11 and later: `const unsigned long Py_Version`. 0: not there. */
static u32 version_of_object(struct elf_file *elf)
{
	u64 address, size, value;

	if (elf_file_object(elf, "Py_Version", &address, &size) || elf_file_read(elf, address, &value, sizeof(value)))
		return 0;
	return value > UINT32_MAX || value < VERSION(3, 11) ? 0 : value;
}

static u32 version_of_known_objects(struct elf_file *elf)
{
	for (size_t i = 0; i < ARRAY_SIZE(objects_since); i++)
		if (has_object(elf, objects_since[i].object))
			return objects_since[i].since;
	return 0;
}

/* A decimal number of one or two digits. */
static u32 read_number(struct cursor *text)
{
	u32 value = 0;
	int digits = 0;

	while (cursor_left(text) && *text->at >= '0' && *text->at <= '9' && digits < 3) {
		value = 10 * value + cursor_u8(text) - '0';
		digits++;
	}
	if (digits == 0 || digits > 2)
		text->bad = true;
	return value;
}

static void read_expected(struct cursor *text, char c)
{
	if (cursor_u8(text) != c)
		text->bad = true;
}

/* What follows the numbers: nothing, or b2, or rc1; then '+' in a build from a checkout. */
static u32 read_level(struct cursor *text)
{
	u8 c = cursor_u8(text);
	u32 level = LEVEL_FINAL << 4;

	if (c == 'a' || c == 'b' || c == 'r') {
		if (c == 'r')
			read_expected(text, 'c');
		level = (c == 'r' ? 0xc : c - 'a' + 0xa) << 4;
		level |= read_number(text) & 15;
		c = cursor_u8(text);
	}
	if (c == '+')
		c = cursor_u8(text);
	if (c)
		text->bad = true;
	return level;
}

/* PY_VERSION with its NUL. 0: something else. */
static u32 version_of_text(struct cursor text)
{
	u32 version = read_number(&text) << 24;
	read_expected(&text, '.');
	version |= read_number(&text) << 16;
	read_expected(&text, '.');
	version |= read_number(&text) << 8;
	version |= read_level(&text);
	return text.bad ? 0 : version;
}

struct version_search {
	u32 minor; /* look for this one alone; 0: any that has _PyRuntime and does not describe itself */
	u32 found;
	bool several; /* versions that differ tell nothing */
};

/* Linkers may share "3.9.18" with the end of "/opt/3.9.18". */
static bool version_search_begins(const struct version_search *search, u8 before)
{
	return !before || (search->minor && before == '/');
}

static bool version_search_wants(const struct version_search *search, u32 version)
{
	if (search->minor)
		return MINOR_OF(version) == search->minor;
	return version >= VERSION(3, 7) && MINOR_OF(version) <= LAST_PLAIN_VERSION;
}

static void version_search_block(struct version_search *search, const u8 *data, size_t size)
{
	struct cursor block = cursor_of(data, size);

	while (cursor_left(&block)) {
		u32 version = version_search_begins(search, cursor_u8(&block)) ? version_of_text(block) : 0;

		if (!version || !version_search_wants(search, version))
			continue;
		search->several |= search->found && search->found != version;
		search->found = version;
	}
}

#define SEARCH_MAX   (32 << 20) /* bytes of .rodata; the largest interpreters have some 5 MiB */
#define SEARCH_BLOCK (64 << 10)
#define TEXT_MAX     16 /* "3.12.10rc12+" and both NULs */

/* The exact version as Py_GetVersion() tells it, from the file's strings. 0: not found. */
static u32 version_of_strings(struct elf_file *elf, u32 minor)
{
	struct version_search search = {.minor = minor};
	u64 address, size;

	if (elf_file_section(elf, ".rodata", &address, &size) || size > SEARCH_MAX)
		return 0;
	_cleanup_(free) u8 *block = malloc(SEARCH_BLOCK + TEXT_MAX);
	if (!block)
		return 0;
	for (u64 at = 0; at < size; at += SEARCH_BLOCK) {
		/* Blocks overlap by one text. */
		u64 left = size - at < SEARCH_BLOCK + TEXT_MAX ? size - at : SEARCH_BLOCK + TEXT_MAX;
		if (elf_file_read(elf, address + at, block, left))
			return 0;
		version_search_block(&search, block, left);
	}
	return search.several ? 0 : search.found;
}

static u32 version_of_symbols_and_strings(struct elf_file *elf)
{
	u32 minor = version_of_known_objects(elf);
	u32 exact = version_of_strings(elf, minor);

	if (exact)
		return exact;
	return minor ? minor : VERSION(3, 7); /* has .PyRuntime, or we would not be here */
}

/* 3.13 and later: the struct is there in the file already. */
static int layout_of_file(struct elf_file *elf, u64 runtime, struct python_layout *ret)
{
	u8 data[DEBUG_OFFSETS_MAX_SIZE];
	int err = elf_file_read(elf, runtime, data, sizeof(data));

	return err ? err : python_layout_of_debug_offsets(data, sizeof(data), ret);
}

/* --with-trace-refs, a build for debugging CPython itself, gives each object two more words. 3 and 2 say so. */
static const char *const trace_refs_objects[] = {"PyModule_Create2TraceRefs", "Py_InitModule4TraceRefs_64"};

static int layout_of_plain_version(struct elf_file *elf, u32 version, struct python_layout *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(trace_refs_objects); i++)
		if (has_object(elf, trace_refs_objects[i]))
			return -ENOTSUP;
	return python_layout_of_version(version, ret);
}

/* Only the code that has a place relative to the runtime: beyond that, none are known. */
static void layout_find_eval(struct elf_file *elf, u64 runtime, struct python_layout *layout)
{
	struct code_range ranges[EVAL_RANGES];
	size_t cnt;

	if (!python_layout_is_counted(layout) || eval_ranges_find(elf, ranges, EVAL_RANGES, &cnt))
		return;
	for (size_t i = 0; i < cnt; i++) {
		s64 start = ranges[i].start - runtime;

		if (start != (s32)start)
			return;
		layout->eval[i].start = start;
		layout->eval[i].size = ranges[i].end - ranges[i].start;
	}
}

static void inspect_runtime(struct elf_file *elf, struct python_file *file)
{
	int err = layout_of_file(elf, file->runtime, &file->layout);

	file->version = err ? version_of_object(elf) : file->layout.version;
	if (!file->version)
		file->version = version_of_symbols_and_strings(elf);
	if (err && MINOR_OF(file->version) <= LAST_PLAIN_VERSION)
		err = layout_of_plain_version(elf, file->version, &file->layout);
	u16 current = python_runtime_current(file->version);
	file->current = current ? file->runtime + current : 0;
	if (!err)
		layout_find_eval(elf, file->runtime, &file->layout);
	file->supported = !err && !python_layout_check(&file->layout);
}

/* Up to 3.6 there are globals instead. -ENOENT: not here either. */
static int inspect_globals(struct elf_file *elf, struct python_file *file)
{
	u64 size;

	if (elf_file_object(elf, "_PyThreadState_Current", &file->current, &size) || !has_object(elf, "PyUnicode_Type"))
		return -ENOENT;
	file->version = version_of_symbols_and_strings(elf);
	if (layout_of_plain_version(elf, file->version, &file->layout) || interp_head_find(elf, &file->runtime))
		return 0;
	layout_find_eval(elf, file->runtime, &file->layout);
	file->supported = !python_layout_check(&file->layout);
	return 0;
}

int python_file_inspect(struct elf_file *elf, struct python_file *ret)
{
	struct python_file file = {0};
	int err = runtime_find(elf, &file.runtime);

	if (!err)
		inspect_runtime(elf, &file);
	else if (err == -ENOENT)
		err = inspect_globals(elf, &file);
	if (!err)
		*ret = file;
	return err;
}

void python_version_format(u32 version, bool free_threaded, char ret[PYTHON_VERSION_SIZE])
{
	static const char *const levels[] = {[0xa] = "a", [0xb] = "b", [0xc] = "rc"};
	u32 level = LEVEL_OF(version);
	char patch[8] = "", suffix[8] = "";

	if (level)
		snprintf(patch, sizeof(patch), ".%u", version >> 8 & 255);
	if (level < ARRAY_SIZE(levels) && levels[level])
		snprintf(suffix, sizeof(suffix), "%s%u", levels[level], version & 15);
	snprintf(ret, PYTHON_VERSION_SIZE, "%u.%u%s%s%s", version >> 24, version >> 16 & 255, patch, suffix,
		 free_threaded ? "t" : "");
}
