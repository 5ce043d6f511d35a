/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbolize/symbolizer.h"
#include "tests/unit/build_program.h"

static struct profile_tables tables;
static struct mapped_file_cache *files;
static struct process_table *processes;
static struct process *self;
static struct symbolizer *symbolizer;
static char map_path[64];

static void set_up(void)
{
	struct process_id id = {.pid = getpid()};

	program_directory_begin();
	snprintf(map_path, sizeof(map_path), "/tmp/perf-%d.map", getpid());
	cr_assert_eq(profile_tables_new(&tables), 0);
	cr_assert_not_null(files = mapped_file_cache_new());
	cr_assert_eq(process_table_new(files, &processes), 0);
	cr_assert_eq(process_table_get(processes, &id, "test", &self), 0);
	cr_assert_eq(symbolizer_new(&tables, processes, &symbolizer), 0);
}

static void tear_down(void)
{
	symbolizer_free(symbolizer);
	process_table_free(processes);
	mapped_file_cache_free(files);
	profile_tables_free(&tables);
	unlink(map_path);
	program_directory_end();
}

TestSuite(symbolizer, .init = set_up, .fini = tear_down);

static u32 frame_at(const void *address)
{
	u32 frame;

	cr_assert_eq(symbolize_native(symbolizer, self, (u64)address, false, &frame), 0);
	return frame;
}

/* "FUNCTION (FILE)" */
static const char *text_of(u32 id)
{
	static char text[512];
	const struct frame *frame = frame_table_get(tables.frames, id);

	if (!frame->named)
		return "unnamed";
	snprintf(text, sizeof(text), "%s (%s)", string_table_at(tables.strings, frame->function),
		 string_table_at(tables.strings, frame->file));
	return text;
}

static const char *name_at(const void *address)
{
	u32 frame = frame_at(address);

	cr_assert_eq(symbolizer_name_frames(symbolizer), 0);
	return text_of(frame);
}

/* Exports where its inner function is, which no table that is loaded tells. */
static const char source[] = "int puts(const char *);\n"
			     "static __attribute__((noinline)) int inner(int x) { return puts(\"\") + x; }\n"
			     "int outer(int x) { return inner(x) + 1; }\n"
			     "void *where(void) { return (void *)inner; }\n";

static void *load_inner(const char *path)
{
	char absolute[512];

	cr_assert_not_null(getcwd(absolute, 256));
	snprintf(absolute + strlen(absolute), 256, "/%s", path);
	void *library = dlopen(absolute, RTLD_NOW);
	cr_assert_not_null(library, "%s", dlerror());
	void *(*where)(void) = (void *(*)(void))dlsym(library, "where");
	return where();
}

#define BUILD_LIBRARY                                                               \
	"cc -O1 -g -shared -fPIC -Wl,--build-id=sha1 lib.c -o whole.so;"            \
	"objcopy --only-keep-debug whole.so libx.debug; strip whole.so -o libx.so;" \
	"objcopy --add-gnu-debuglink=libx.debug libx.so;"

Test(symbolizer, a_stripped_library_is_named_from_its_debug_file)
{
	program_build("lib.c", source, BUILD_LIBRARY);
	const char *inner = load_inner("libx.so");

	cr_assert_str_eq(name_at(inner), "inner (libx.so)");
	cr_assert_str_eq(name_at(dlsym(RTLD_DEFAULT, "getppid")), "getppid (libc.so.6)");
}

/* The first match in what a command prints. */
static void said_by(const char *command, const char *format, char ret[256])
{
	static struct program_lines lines;
	bool found = false;

	program_lines_begin(&lines, command);
	for (const char *line; (line = program_line(&lines));)
		found = found || sscanf(line, format, ret) == 1;
	cr_assert(found, "%s", command);
}

static const struct file_row *row_of(u32 id)
{
	return file_table_at(tables.files, frame_table_get(tables.frames, id)->file_id);
}

Test(symbolizer, a_frame_knows_the_path_and_the_build_id_of_its_file)
{
	char expected[256], path[512];

	program_build("lib.c", source, BUILD_LIBRARY "cp libx.so other.so");
	const char *inner = load_inner("libx.so"), *other = load_inner("other.so");
	u32 in_libx = frame_at(inner), in_other = frame_at(other), again = frame_at(inner + 1);
	cr_assert_eq(symbolizer_name_frames(symbolizer), 0);

	said_by("readelf -n libx.so", " Build ID: %255s", expected);
	cr_assert_eq(strlen(expected), 40);
	cr_assert_not_null(getcwd(path, 256));
	strcat(path, "/libx.so");
	cr_expect_str_eq(string_table_at(tables.strings, row_of(in_libx)->path), path);
	cr_expect_str_eq(string_table_at(tables.strings, row_of(in_libx)->build_id), expected);
	cr_expect_eq(row_of(in_other)->build_id, row_of(in_libx)->build_id);
	cr_expect_neq(row_of(in_other)->path, row_of(in_libx)->path);
	cr_expect_eq(row_of(again), row_of(in_libx));
}

Test(symbolizer, a_file_without_a_build_id_has_a_path)
{
	program_build("lib.c", source, "cc -O1 -shared -fPIC -Wl,--build-id=none lib.c -o libx.so");
	u32 frame = frame_at(load_inner("libx.so"));

	cr_assert_eq(symbolizer_name_frames(symbolizer), 0);
	cr_expect(strstr(string_table_at(tables.strings, row_of(frame)->path), "/libx.so"));
	cr_expect_eq(row_of(frame)->build_id, STRING_EMPTY);
}

Test(symbolizer, the_kernel_has_the_build_id_of_its_notes)
{
	char expected[256];
	u32 frame;

	cr_assert_eq(symbolize_kernel(symbolizer, 0xffffffff81000000, &frame), 0);
	cr_assert_eq(symbolizer_name_frames(symbolizer), 0);
	/* Sizes, type 3, "GNU", then its 20 bytes. */
	said_by("od -An -v -tx1 /sys/kernel/notes | tr -d ' \n' | grep -o '040000001400000003000000474e5500.\\{40\\}'",
		"040000001400000003000000474e5500%40s", expected);
	cr_expect_str_eq(string_table_at(tables.strings, row_of(frame)->build_id), expected);
	cr_expect_eq(row_of(frame)->path, STRING_EMPTY);
}

/* Where nm finds a function in the file that still has its symbols, as a frame without a symbol says it. */
static void frame_by_start(const char *name, char *ret, size_t size)
{
	static struct program_lines lines;
	unsigned long long address;
	char found[64];

	ret[0] = 0;
	program_lines_begin(&lines, "nm whole.so");
	for (const char *line; (line = program_line(&lines));) {
		if (sscanf(line, "%llx %*c %63s", &address, found) == 2 && !strcmp(found, name))
			snprintf(ret, size, "0x%llx (libx.so)", address);
	}
	cr_assert_neq(ret[0], 0);
}

Test(symbolizer, without_any_symbol_a_function_is_called_after_its_start)
{
	char expected[64];
	u32 by_function, again;

	program_build("lib.c", source, BUILD_LIBRARY "rm libx.debug");
	const char *inner = load_inner("libx.so");
	frame_by_start("inner", expected, sizeof(expected));
	for (int i = 0; i < 8; i++)
		cr_expect_str_eq(name_at(inner + i), expected);

	cr_assert_eq(symbolize_function(symbolizer, self, (u64)inner + 4, &by_function), 0);
	cr_assert_eq(symbolize_function(symbolizer, self, (u64)inner + 7, &again), 0);
	cr_expect_eq(by_function, again);
	cr_expect_eq(by_function, frame_at(inner));
}

Test(symbolizer, without_symbol_and_unwind_table_the_address_says_where)
{
	char start[64], expected[64];
	unsigned long long address;

	program_build(
		"lib.c", source,
		"cc -O1 -shared -fPIC -fno-asynchronous-unwind-tables lib.c -o whole.so; strip whole.so -o libx.so");
	const char *inner = load_inner("libx.so");
	frame_by_start("inner", start, sizeof(start));
	cr_assert_eq(sscanf(start, "0x%llx", &address), 1);
	snprintf(expected, sizeof(expected), "0x%llx (libx.so)", address + 4);
	cr_expect_str_eq(name_at(inner + 4), expected);
}

Test(symbolizer, an_extension_module_is_called_as_one_imports_it)
{
	program_build("lib.c", source,
		      "mkdir -p site-packages/numpy/core; cc -O1 -shared -fPIC lib.c "
		      "-o site-packages/numpy/core/_umath.cpython-311-x86_64-linux-gnu.so");
	cr_assert_str_eq(name_at(load_inner("site-packages/numpy/core/_umath.cpython-311-x86_64-linux-gnu.so")),
			 "inner (numpy.core._umath)");
}

Test(symbolizer, a_clone_bears_the_name_of_its_function)
{
	program_build("lib.c", source,
		      "cc -O1 -shared -fPIC lib.c -o plain.so;"
		      "objcopy --redefine-sym inner=inner.constprop.0.cold plain.so clone.so");
	cr_assert_str_eq(name_at(load_inner("clone.so")), "inner (clone.so)");
}

static void append_line(const void *address, const char *name)
{
	_cleanup_(stream) FILE *out = fopen(map_path, "a");

	cr_assert_not_null(out);
	cr_assert_gt(fprintf(out, "%llx 40 %s\n", (unsigned long long)address, name), 0);
}

static char *map_code(void)
{
	char *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(code, MAP_FAILED);
	return code;
}

Test(symbolizer, code_without_a_file_is_named_from_the_perf_map)
{
	const char *code = map_code();

	append_line(code, "py::f:/x.py");
	cr_assert_str_eq(text_of(frame_at(code + 16)), "py::f:/x.py ([anon])");
}

Test(symbolizer, code_is_named_when_its_line_is_written_late)
{
	const char *code = map_code();
	u32 frame = frame_at(code + 16), other = frame_at(code + 80);

	cr_assert_eq(strncmp(text_of(frame), "0x", 2), 0);
	append_line(code, "late");
	usleep(1100 * 1000);
	cr_assert_eq(symbolizer_name_frames(symbolizer), 0);
	cr_assert_str_eq(text_of(frame), "late ([anon])");

	/* At its end what was just written counts at once. */
	append_line(code + 64, "later");
	self->exited = true;
	symbolizer_forget(symbolizer, self);
	cr_assert_str_eq(text_of(other), "later ([anon])");
}
