/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/eval_range.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "build_program.h"
#include "elf/eh_index.h"
#include "python/python_file.h"

#define RANGES 4

TestSuite(eval_range, .init = program_directory_begin, .fini = program_directory_end);

/* An eval loop whose cold half gcc puts elsewhere, and functions that call it, jump to it and are jumped to. */
static const char source[] =
	"__attribute__((cold, noinline)) int seldom(int x) { __asm__ volatile(\"\" : \"+r\"(x)); return x; }\n"
	"__attribute__((noinline)) int other(int x, int *code) { __asm__ volatile(\"\" : \"+r\"(x)); return x + *code; "
	"}\n"
	"#define OP(n) case n: x += code[n]; if (x == n) { x = seldom(x + n); x ^= code[x]; } break;\n"
	"#define OPS(n) OP(n) OP(n + 1) OP(n + 2) OP(n + 3) OP(n + 4) OP(n + 5) OP(n + 6) OP(n + 7)\n"
	"int NAME(int *code)\n"
	"{\n"
	"	for (int x = 1;;) {\n"
	"		switch (*code++) {\n"
	"		OPS(1) OPS(9) OPS(17) OPS(25)\n"
	"		case 0: return other(x, code);\n"
	"		}\n"
	"	}\n"
	"}\n"
	"int PyEval_EvalFrame(int *code) { return NAME(code); }\n";

/* The parts of a function as nm lists them: NAME, NAME.cold and the like; the whole one first. */
static size_t parts_of(const char *path, const char *name, struct code_range parts[RANGES])
{
	static struct program_lines lines;
	char command[512], found[256];
	unsigned long long address, size;
	size_t cnt = 1;

	memset(parts, 0, RANGES * sizeof(*parts));
	snprintf(command, sizeof(command), "nm -S --defined-only '%s'", path);
	program_lines_begin(&lines, command);
	for (const char *line; (line = program_line(&lines));) {
		if (sscanf(line, "%llx %llx %*c %255s", &address, &size, found) != 3 ||
		    strncmp(found, name, strlen(name)) || (found[strlen(name)] && found[strlen(name)] != '.'))
			continue;
		cr_assert(cnt < RANGES, "%s", found);
		parts[found[strlen(name)] ? cnt++ : 0] = (struct code_range){address, address + size};
	}
	return parts[0].end ? cnt : 0;
}

static void check_ranges(const char *path, const struct code_range *expected, size_t expected_cnt)
{
	_cleanup_(elf_file) struct elf_file *elf = program_open(path);
	struct code_range ranges[RANGES];
	size_t cnt = 0;

	cr_assert_eq(eval_ranges_find(elf, ranges, RANGES, &cnt), 0, "%s", path);
	cr_assert_eq(cnt, expected_cnt, "%s: %zu parts", path, cnt);
	for (size_t i = 0; i < cnt; i++) {
		cr_assert_eq(ranges[i].start, expected[i].start, "%s: part %zu at %#llx", path, i, ranges[i].start);
		cr_assert_eq(ranges[i].end, expected[i].end, "%s: part %zu to %#llx", path, i, ranges[i].end);
	}
}

static void check_built(const char *name, const char *options, size_t part_cnt)
{
	struct code_range parts[RANGES];
	char script[512];

	snprintf(script, sizeof(script),
		 "gcc -fPIC -shared -O2 %s -DNAME=%s eval.c -o eval.so; strip eval.so -o stripped.so", options, name);
	program_build("eval.c", source, script);
	size_t cnt = parts_of("eval.so", name, parts);
	cr_assert_eq(cnt, part_cnt, "gcc made %zu parts", cnt);
	check_ranges("eval.so", parts, cnt);
	check_ranges("stripped.so", parts, cnt);
}

Test(eval_range, of_a_function_in_one_piece_is_that)
{
	check_built("_PyEval_EvalFrameDefault", "-fno-reorder-blocks-and-partition", 1);
	check_built("PyEval_EvalFrameEx", "-fno-reorder-blocks-and-partition", 1);
}

Test(eval_range, has_the_cold_part_also_where_no_symbol_names_it)
{
	check_built("_PyEval_EvalFrameDefault", "-freorder-blocks-and-partition", 2);
	check_built("PyEval_EvalFrameEx", "-freorder-blocks-and-partition", 2);
}

Test(eval_range, without_unwind_entries_is_the_named_part)
{
	struct code_range parts[RANGES];

	program_build(
		"eval.c", source,
		"gcc -fPIC -shared -O2 -fno-asynchronous-unwind-tables -DNAME=PyEval_EvalFrameEx -nostdlib eval.c "
		"-Wl,--no-eh-frame-hdr -o eval.so; strip eval.so -o stripped.so");
	cr_assert_geq(parts_of("eval.so", "PyEval_EvalFrameEx", parts), 1);
	check_ranges("stripped.so", parts, 1);
}

Test(eval_range, is_cut_to_what_there_is_room_for)
{
	struct code_range range;
	size_t cnt = 0;

	program_build("eval.c", source, "gcc -fPIC -shared -O2 -DNAME=PyEval_EvalFrameEx eval.c -o eval.so");
	_cleanup_(elf_file) struct elf_file *elf = program_open("eval.so");
	cr_assert_eq(eval_ranges_find(elf, &range, 1, &cnt), 0);
	cr_assert_eq(cnt, 1);
	cr_assert_eq(eval_ranges_find(elf, &range, 0, &cnt), -ENOENT);
}

Test(eval_range, of_other_programs_is_none)
{
	_cleanup_(elf_file) struct elf_file *elf = program_open("/proc/self/exe");
	struct code_range ranges[RANGES];
	size_t cnt;

	cr_assert_eq(eval_ranges_find(elf, ranges, RANGES, &cnt), -ENOENT);
}

/* Later ones have anchors, and cold parts of one dead instruction. */
static bool is_counted(const char *path)
{
	_cleanup_(elf_file) struct elf_file *elf = program_open(path);
	struct python_file file;

	cr_assert_eq(python_file_inspect(elf, &file), 0, "%s", path);
	return python_layout_is_counted(&file.layout);
}

/* Interpreters with symbols, and the same ones stripped. */
Test(eval_range, of_real_interpreters_is_what_their_symbols_say, .timeout = 600)
{
	const char *root = getenv("PYENV_ROOT"), *home = getenv("HOME");
	char pattern[512], command[1024];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s%s/versions/*/lib/libpython[23].*.so.1.0",
		 root	? root
		 : home ? home
			: "",
		 root ? "" : "/.pyenv");
	if (glob(pattern, 0, NULL, &found))
		cr_skip_test("no pyenv here");
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *path = found.gl_pathv[i];
		struct code_range parts[RANGES];

		if (!is_counted(path))
			continue;
		size_t cnt = parts_of(path, "_PyEval_EvalFrameDefault", parts);
		if (!cnt)
			cnt = parts_of(path, "PyEval_EvalFrameEx", parts);
		cr_assert_gt(cnt, 0, "%s", path);
		check_ranges(path, parts, cnt);
		snprintf(command, sizeof(command), "strip '%s' -o stripped", path);
		cr_assert_eq(system(command), 0);
		check_ranges("stripped", parts, cnt);
	}
	globfree(&found);
}

/* What a whole function's unwind entry covers is what its symbol says. */
Test(eval_range, is_made_of_unwind_entries_that_are_as_long_as_their_functions)
{
	static const char *const names[] = {"seldom", "other", "PyEval_EvalFrameEx", "PyEval_EvalFrame"};
	struct eh_index index;
	struct code_range range;

	program_build("eval.c", source, "gcc -fPIC -shared -O2 -DNAME=PyEval_EvalFrameEx eval.c -o eval.so");
	_cleanup_(elf_file) struct elf_file *elf = program_open("eval.so");
	cr_assert_eq(eh_index_open(elf, &index), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		u64 address, size;

		cr_assert_eq(elf_file_object(elf, names[i], &address, &size), 0);
		cr_assert_eq(eh_index_range(elf, &index, address + size - 1, &range), 0, "%s", names[i]);
		cr_assert_eq(range.start, address, "%s", names[i]);
		cr_assert_eq(range.end, address + size, "%s", names[i]);
	}
	cr_assert_eq(eh_index_range(elf, &index, 0, &range), -ENOENT);
	cr_assert_eq(eh_index_range(elf, &index, 1ull << 40, &range), -ENOENT);
}
