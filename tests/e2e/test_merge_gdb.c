/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whole stacks of a process that stays in a known leaf, against what gdb says of it. */
#include <stdio.h>
#include <string.h>

#include "tests/e2e/check_merge.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/packages.h"

E2E_SUITE(merge_gdb, 600);

/* What tests/workloads/leaves.py can do with the standard library alone. */
static const struct {
	const char *name;
	int major; /* of the first version that can parse it */
} cases[] = {{"json", 2},   {"re", 2},	   {"sqlite3", 2},    {"zlib", 2},    {"sort", 2},
	     {"ctypes", 2}, {"reduce", 2}, {"generators", 3}, {"asyncio", 3}, {"signal", 2}};
#define CASE_CNT (sizeof(cases) / sizeof(*cases))

static struct profile sample(const struct place *place, pid_t pid, double seconds)
{
	struct child *profiler = profiler_run(seconds + 60, "record", "-p", text_of("%d", (int)pid), "-F", "499", "-d",
					      text_of("%g", seconds), "--native", "all", "--no-kernel", "-o",
					      in_place(place, "out.folded"), "--stats", in_place(place, "stats.json"),
					      NULL);

	cr_assert_eq(profiler->status, 0, "the profiler ended with %d: %s", profiler->status, child_err(profiler));
	return profile_read(place);
}

/* Stops the process, looks, and lets it go on. */
static struct native_stack stack_of(const struct python *python, const struct place *place, pid_t pid)
{
	const char *out = in_place(place, "gdb.out");
	struct start how = {.environment = {text_of("GDB_STACKS=%s", out)}};
	const char *argv[] = {"gdb",
			      "-nx",
			      "-batch",
			      "-iex",
			      text_of("set sysroot %s", python->root),
			      "-iex",
			      "set debuginfod enabled off",
			      "-iex",
			      "set backtrace past-main on",
			      "-p",
			      text_of("%d", (int)pid),
			      "-ex",
			      text_of("file %s/%s", python->root, python->path),
			      "-x",
			      "tests/e2e/gdb_stacks.py",
			      NULL};
	struct child *gdb = child_start(&how, argv);
	struct native_stack stack = {0};

	child_wait(gdb, 60);
	char *text = file_text(out);
	cr_assert_not_null(text, "gdb wrote nothing: %s", child_err(gdb));
	expect_null_problem(native_stack_parse(text, &stack), "gdb");
	return stack;
}

/* packages: a directory with what the case needs beyond the standard library, or NULL. */
static void expect_same(const struct python *python, const struct place *place, const char *what, const char *packages)
{
	struct start how = {.root = python->root,
			    .directory = place->inside,
			    .environment = {"LC_ALL=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1", "OPENBLAS_NUM_THREADS=1",
					    packages ? text_of("PYTHONPATH=%s", packages) : NULL}};
	struct child *workload = child_start(
		&how, (const char *[]){python->path, text_of("%s/leaves.py", place->inside), what, NULL});
	child_ready(workload, 30);
	sleep_s(packages ? 1.5 : 0.3);

	struct profile profile = sample(place, workload->pid, 1);
	struct native_stack stack = stack_of(python, place, workload->pid);

	struct stack_verdict verdict = check_native_stack(&profile.folded, &stack);
	printf("gdb, %s, %s: %llu samples, %llu the same out from the innermost eval loop, %llu wholly; "
	       "%zu frames, %llu named by both\n",
	       python->name, what, (unsigned long long)verdict.samples, (unsigned long long)verdict.same,
	       (unsigned long long)verdict.whole, stack.cnt, (unsigned long long)verdict.named);
	cr_expect_gt(verdict.samples, FEW, "%s, %s", python->name, what);
	cr_expect(verdict.same * 100 >= verdict.samples * 99, "%s, %s: %llu of %llu; not %s\ngdb has:\n%s",
		  python->name, what, (unsigned long long)verdict.same, (unsigned long long)verdict.samples,
		  verdict.first_other, file_text(in_place(place, "gdb.out")));
	cr_expect_geq(verdict.named, 5, "%s, %s: gdb and we know hardly a symbol", python->name, what);
	native_stack_free(&stack);
	child_kill(workload);
}

Test(merge_gdb, a_merged_stack_is_the_debuggers)
{
	struct python found[MAX_PYTHONS], newest = python_any();
	size_t cnt = pythons_list(found, MAX_PYTHONS);
	const struct python *one = &newest, *counted = NULL;

	/* Better those that are not stripped, so that gdb has names for what it shows; one that has no anchors too. */
	for (size_t i = 0; i < cnt; i++) {
		one = strncmp(found[i].name, "pyenv-", 6) ? one : &found[i];
		counted = python_has_anchors(&found[i]) ? counted : &found[i];
	}
	for (size_t i = 0; i < cnt; i++) {
		if (!long_run() && strcmp(found[i].name, one->name) && &found[i] != counted)
			continue;
		struct place place = place_in(found[i].root);
		for (size_t j = 0; j < CASE_CNT; j++)
			if (python_is_since(&found[i], cases[j].major, 0))
				expect_same(&found[i], &place, cases[j].name, NULL);
	}
}

Test(merge_gdb, a_merged_stack_through_packages_is_the_debuggers)
{
	static const char *const of_packages[] = {"numpy", "numpy_sort", "gevent"};
	struct python found[MAX_PYTHONS];
	size_t cnt = pythons_list(found, MAX_PYTHONS), tested = 0;

	for (size_t i = 0; long_run() && i < cnt; i++) {
		struct place place = place_in("/");
		const char *packages = packages_install(&found[i], &place, "numpy gevent");

		for (size_t j = 0; packages && j < sizeof(of_packages) / sizeof(*of_packages); j++)
			expect_same(&found[i], &place, of_packages[j], packages);
		tested += packages != NULL;
	}
	if (!tested)
		cr_skip_test("a long run only, with pip and a mirror of PyPI");
}
