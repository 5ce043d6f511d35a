/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which CPythons the other tests run on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/e2e/harness.h"

E2E_SUITE(pythons, 120);

Test(pythons, at_least_311_313_314_and_315_are_here)
{
	static const int needed[] = {11, 13, 14, 15};
	struct python found[MAX_PYTHONS];
	size_t cnt = pythons_list(found, MAX_PYTHONS);

	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		bool here = false;
		for (size_t j = 0; j < cnt; j++)
			here |= found[j].minor == needed[i];
		cr_expect(here, "no CPython 3.%d: run tools/get_pythons.sh", needed[i]);
	}
}

ParameterizedTestParameters(pythons, each_is_what_its_name_says)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, pythons, each_is_what_its_name_says)
{
	struct start how = {.root = python->root};
	struct child *child = child_start(&how, (const char *[]){python->path, "--version", NULL});

	cr_assert_eq(child_wait(child, 20), 0, "%s: %s", python->name, child_err(child));
	const char *expected = text_of("Python 3.%d.", python->minor);
	cr_assert_eq(strncmp(child_out(child), expected, strlen(expected)), 0, "%s says %s", python->name,
		     child_out(child));
}

#define HZ 499

ParameterizedTestParameters(pythons, one_under_another_name_that_was_deleted_is_recognised)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, pythons, one_under_another_name_that_was_deleted_is_recognised)
{
	struct place place = place_in(python->root);
	struct python renamed = *python;
	struct start how = {.root = python->root};

	snprintf(renamed.path, sizeof(renamed.path), "%s/service", place.inside);
	cr_assert_eq(child_wait(child_start(&how, (const char *[]){"/bin/cp", python->path, renamed.path, NULL}), 20),
		     0);
	struct child *workload = python_start(&renamed, &place, "torn.py", text_of("%s/truth", place.inside), NULL);
	child_ready(workload, 30);
	cr_assert_eq(unlink(in_place(&place, "service")), 0);

	struct profile profile = profile_pid(&place, workload->pid, HZ, 2, false);
	cr_assert_gt(profile.folded.samples, FEW);
	cr_expect_eq(stats_number(profile.stats, "python", "complete"), profile.folded.samples, "%s", python->name);
	cr_expect_gt(folded_count(&profile.folded, "hot_a (*"), 0, "%s", python->name);
}

/* Where pyenv has one that is too old: Debian's suites with such a CPython are not fetched for this alone. */
static bool old_python_find(char *path, size_t size)
{
	static const char *const versions[] = {"3.10", "3.9", "3.8", "3.7", "2.7"};
	const char *root = getenv("PYENV_ROOT");

	for (size_t i = 0; root && i < sizeof(versions) / sizeof(*versions); i++) {
		FILE *found = popen(text_of("ls -d %s/versions/%s.*/bin/python 2>/dev/null", root, versions[i]), "r");
		bool any = found && fgets(path, (int)size, found);

		if (found)
			pclose(found);
		path[strcspn(path, "\n")] = 0;
		if (any)
			return true;
	}
	return false;
}

Test(pythons, one_that_is_too_old_is_counted_under_a_reason_of_its_own)
{
	char path[300] = "";

	if (!old_python_find(path, sizeof(path)))
		cr_skip_test("no CPython before 3.11 is here");

	struct place place = place_in("/");
	struct child *workload = child_start(&(struct start){0},
					     (const char *[]){path, "-c", "while True: pass", NULL});
	sleep_s(0.5);
	struct profile profile = profile_pid(&place, workload->pid, HZ, 1, false);

	cr_assert_gt(profile.folded.samples, FEW);
	cr_expect_eq(folded_count(&profile.folded, "[unknown: python-version]"), profile.folded.samples);
	cr_expect_eq(stats_number(profile.stats, "python", "samples"), profile.folded.samples);
	cr_expect_eq(stats_number(profile.stats, "python", "complete"), 0);
}
