/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which CPythons the other tests run on. */
#include <stdio.h>
#include <string.h>

#include "tests/e2e/harness.h"

E2E_SUITE(pythons, 60);

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
