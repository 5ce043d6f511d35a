/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "python/python_file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <unistd.h>

#include "build_program.h"
#include "live_python.h"
#include "python/thread_list.h"

static const char *format(u32 version, bool free_threaded)
{
	static char text[PYTHON_VERSION_SIZE];

	python_version_format(version, free_threaded, text);
	return text;
}

Test(python_file, versions_read_as_people_write_them)
{
	cr_assert_str_eq(format(0x030d12f0, false), "3.13.18");
	cr_assert_str_eq(format(0x030d12f0, true), "3.13.18t");
	cr_assert_str_eq(format(0x030f00b2, false), "3.15.0b2");
	cr_assert_str_eq(format(0x030f00c1, true), "3.15.0rc1t");
	cr_assert_str_eq(format(0x030900a6, false), "3.9.0a6");
	cr_assert_str_eq(format(0x03090000, false), "3.9", "the patch release is not known");
	cr_assert_str_eq(format(0xffffffff, true), "255.255.255t");
}

static int inspect(const char *path, struct python_file *ret)
{
	_cleanup_(elf_file) struct elf_file *elf = NULL;
	int err = elf_file_open_fd(open(path, O_RDONLY | O_CLOEXEC), path, &elf);

	return err ? err : python_file_inspect(elf, ret);
}

Test(python_file, other_programs_are_none)
{
	struct python_file file;

	cr_assert_eq(inspect("/proc/self/exe", &file), -ENOENT);
	cr_assert_eq(inspect("/bin/sh", &file), -ENOENT);
}

/* Of pyenv's interpreters the path tells the version. */
Test(python_file, of_every_version_is_recognised_and_supported)
{
	const char *root = getenv("PYENV_ROOT"), *home = getenv("HOME");
	char pattern[512], version[PYTHON_VERSION_SIZE];
	size_t cnt = 0;
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s%s/versions/*/lib/libpython[23].*.so.1.0",
		 root	? root
		 : home ? home
			: "",
		 root ? "" : "/.pyenv");
	if (glob(pattern, 0, NULL, &found))
		cr_skip_test("no pyenv here");
	for (; cnt < found.gl_pathc; cnt++) {
		const char *path = found.gl_pathv[cnt];
		struct python_file file;

		cr_assert_eq(sscanf(strstr(path, "/versions/"), "/versions/%23[^/]", version), 1);
		cr_assert_eq(inspect(path, &file), 0, "%s", path);
		cr_assert_str_eq(format(file.version, false), version, "%s", path);
		cr_assert(file.supported, "%s", path);
	}
	globfree(&found);
}

/* As much of a CPython 2.7 or 3.6 as is looked at. */
static const char source[] = "const char version[] = \"\\0\" VERSION;\n"
			     "void *_PyThreadState_Current, *PyUnicode_Type, *PyString_Type, *PyBytes_Type;\n"
			     "static void *interp_head;\n"
			     "void *PyInterpreterState_Head(void) { return interp_head; }\n"
			     "void set_head(void *head) { interp_head = head; }\n"
			     "void *PyEval_EvalFrameEx(void *frame) { return frame; }\n";

static void check_built(const char *options, const char *version, bool supported)
{
	static struct program_lines lines;
	unsigned long long head = 0;
	struct python_file file;
	char script[512];

	snprintf(script, sizeof(script), "gcc -fPIC -shared %s python.c -o python; strip python -o stripped", options);
	program_build("python.c", source, script);
	program_lines_begin(&lines, "nm python");
	for (const char *line; (line = program_line(&lines));)
		if (strstr(line, " interp_head"))
			cr_assert_eq(sscanf(line, "%llx", &head), 1);

	cr_assert_eq(inspect("stripped", &file), 0, "%s", options);
	cr_assert_str_eq(format(file.version, false), version);
	cr_assert_eq(file.supported, supported, "%s", options);
	if (supported)
		cr_assert_eq(file.runtime, head, "%s: %#llx, not %#llx", options, file.runtime, head);
}

Test(python_file, to_3_6_is_known_by_its_globals, .init = program_directory_begin, .fini = program_directory_end)
{
	static const char *const shapes[] = {"-O0", "-O2", "-O2 -fcf-protection=full", "-O0 -fcf-protection=full",
					     "-O2 -Wl,--build-id=none"};
	char options[256];

	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		snprintf(options, sizeof(options), "%s -DPyBytes_Type=other '-DVERSION=\"2.7.5\"'", shapes[i]);
		check_built(options, "2.7.5", true);
		snprintf(options, sizeof(options), "%s -DPyString_Type=PyAsyncGen_Type '-DVERSION=\"3.6.9\"'",
			 shapes[i]);
		check_built(options, "3.6.9", true);
	}
}

Test(python_file, that_is_too_old_or_traces_references_is_not_supported, .init = program_directory_begin,
     .fini = program_directory_end)
{
	check_built("-DPyBytes_Type=Py_InitModule4TraceRefs_64 '-DVERSION=\"2.7.18\"'", "2.7.18", false);
	check_built("-DPyString_Type=PyAsyncGen_Type -DPyBytes_Type=PyModule_Create2TraceRefs '-DVERSION=\"3.6.9\"'",
		    "3.6.9", false);
	check_built("-DPyString_Type=PyCoro_Type '-DVERSION=\"3.5.3\"'", "3.5.3", false);
	/* Nothing leads to its interpreters. */
	check_built("-DPyBytes_Type=other -DPyInterpreterState_Head=hidden '-DVERSION=\"2.7.18\"'", "2.7.18", false);
	/* Which release is not known. */
	check_built("-DPyBytes_Type=other '-DVERSION=\"two\"'", "2.7", false);
}

static void check_version(const struct live_python *python)
{
	const char *dash = strrchr(python->name, '-');
	struct python_file file;

	cr_assert(python->file.supported);
	cr_assert_eq(python->file.layout.version, python->file.version);
	/* "sid-3.14t" is without a GIL. */
	if (dash) {
		cr_assert_eq(strncmp(format(python->file.version, false), dash + 1, strcspn(dash + 1, "t")), 0,
			     "%s is %s", python->name, format(python->file.version, false));
		cr_assert_eq(python->file.layout.free_threaded, strchr(dash, 't') != NULL, "%s", python->name);
	}
	/* What an executable that only links with libpython is: no CPython itself. */
	if (inspect(python->path, &file) == 0 && !strcmp(python->root, "/"))
		cr_assert_eq(file.version, python->file.version);
}

Test(python_file, of_a_live_interpreter_has_its_version, .timeout = 600)
{
	for_each_live_python(check_version);
}

/* Of the four threads, three wait for a lock. */
static int find_main(void *ctx, const struct python_thread *thread)
{
	const struct live_python *python = ((void **)ctx)[0];
	unsigned long long ident;

	for (const char *fact = NULL; (fact = live_python_fact(python, "thread", fact));) {
		cr_assert_eq(sscanf(fact, "thread %llx", &ident), 1);
		if (ident == thread->thread_pointer)
			return 0;
	}
	*(u64 *)((void **)ctx)[1] = thread->state;
	return 0;
}

static void check_current(const struct live_python *python)
{
	u64 current = 0, main_state = 0;
	void *ctx[] = {(void *)python, &main_state};
	char line[16];

	cr_assert_eq(python->file.current != 0, python->file.version < 0x030c0000, "%s", python->name);
	if (!python->file.current)
		return;
	cr_assert_eq(thread_list_read(&python->memory, &python->file.layout, python->runtime, find_main, ctx), 0);
	cr_assert_neq(main_state, 0);
	fputs("spin\n", python->input);
	fflush(python->input);
	cr_assert(fgets(line, sizeof(line), python->output));
	for (int i = 0; i < 60000 && !current; i++) {
		cr_assert_eq(remote_read(&python->memory, python->runtime + python->file.current - python->file.runtime,
					 &current, sizeof(current)),
			     0);
		usleep(1000);
	}
	cr_assert_eq(current, main_state, "%s: %#llx has the GIL, not %#llx", python->name, current, main_state);
}

Test(python_file, knows_the_variable_that_says_who_has_the_gil, .timeout = 600)
{
	for_each_live_python(check_current);
}
