/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/thread_name.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "live_python.h"

#define SCRIPT "tests/unit/data/values.py" /* says which facts there are */

struct search {
	u64 ident;
	char name[64]; /* "": not met */
	size_t cnt; /* of all */
};

static int search_visit(void *ctx, u64 ident, const char *name)
{
	struct search *search = ctx;

	if (ident == search->ident)
		snprintf(search->name, sizeof(search->name), "%s", name);
	search->cnt++;
	return 0;
}

static void check_names(const struct live_python *python)
{
	struct python_objects objects;
	struct search search = {0};
	size_t cnt = 0;
	u64 interpreter;

	cr_assert_eq(python_objects_init(&objects, &python->memory, &python->file.layout, python->runtime), 0);
	cr_assert_eq(object_word(&objects, python->runtime + objects.layout->runtime_interpreters, &interpreter), 0);
	for (const char *fact = NULL; (fact = live_python_fact(python, "name", fact)); cnt++) {
		char *text;

		search = (struct search){.ident = strtoull(fact + strlen("name "), &text, 16)};
		_cleanup_(free) char *expected = fact_text(text + 1);
		cr_assert_eq(thread_names_read(&objects, interpreter, search_visit, &search), 0, "%s", python->name);
		cr_expect_str_eq(search.name, expected, "%s", python->name);
	}
	cr_assert_geq(cnt, 4);
	cr_assert_eq(search.cnt, cnt);
}

Test(thread_name, is_what_threading_says)
{
	for_each_live_python_running(SCRIPT, 0, check_names);
}

static int stop(void *ctx, u64 ident, const char *name)
{
	return 7;
}

static void check_stop(const struct live_python *python)
{
	struct python_objects objects;
	u64 interpreter;

	cr_assert_eq(python_objects_init(&objects, &python->memory, &python->file.layout, python->runtime), 0);
	cr_assert_eq(object_word(&objects, python->runtime + objects.layout->runtime_interpreters, &interpreter), 0);
	cr_assert_eq(thread_names_read(&objects, interpreter, stop, NULL), 7);
}

Test(thread_name, visits_end_when_one_says_so)
{
	for_each_live_python_running(SCRIPT, 0, check_stop);
}
