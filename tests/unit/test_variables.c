/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/variables.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "live_python.h"

#define SCRIPT "tests/unit/data/values.py" /* says which facts there are */

struct expectation {
	const struct live_python *python;
	const char *first; /* the fact before the frame's first variable */
	const char *last; /* of the last argument */
	size_t cnt; /* visited */
	bool was_local;
};

/* The frame's variable of this name; the next frame's do not count. */
static const char *variable_fact(const struct expectation *expectation, const char *name)
{
	const char *end = live_python_fact(expectation->python, "frame", expectation->first);
	const char *fact = expectation->first;

	while ((fact = live_python_fact(expectation->python, "variable", fact)) && (!end || fact < end)) {
		size_t size = strlen(name);

		if (!strncmp(fact + strlen("variable "), name, size) && fact[strlen("variable ") + size] == ' ')
			return fact;
	}
	return NULL;
}

static int check_variable(void *ctx, const char *name, const char *value, bool is_argument)
{
	struct expectation *expectation = ctx;
	const char *python = expectation->python->name;
	const char *fact = variable_fact(expectation, name);

	cr_assert(fact, "%s: there is no variable %s = %s", python, name, value);
	const char *text = fact + strlen("variable ") + strlen(name) + 1;
	_cleanup_(free) char *expected = fact_text(text);
	cr_expect_str_eq(value, expected, "%s: %s is %s, not %s", python, name, value, expected);
	cr_expect_eq(is_argument, strchr(text, ' ')[1] == '1', "%s: %s", python, name);
	/* The facts have arguments in their order. */
	cr_expect(!is_argument || fact > expectation->last, "%s: the argument %s comes too late", python, name);
	cr_expect(!is_argument || !expectation->was_local, "%s: the argument %s comes after locals", python, name);
	expectation->last = fact;
	expectation->was_local |= !is_argument;
	expectation->cnt++;
	return 0;
}

static size_t told_cnt(const struct live_python *python, const char *frame)
{
	const char *end = live_python_fact(python, "frame", frame);
	size_t cnt = 0;

	for (const char *fact = frame; (fact = live_python_fact(python, "variable", fact)) && (!end || fact < end);)
		cnt++;
	return cnt;
}

/* Since 3.11 the frame proper is elsewhere: PyFrameObject has f_back, then its address (Include/internal/pycore_frame.h). */
static u64 frame_of_object(const struct python_objects *objects, u64 object)
{
	u64 frame = object;

	if (objects->object.code_local_kinds != ABSENT)
		cr_assert_eq(object_word(objects, object + objects->object.object_size + sizeof(u64), &frame), 0);
	return frame;
}

static void check_frames(const struct live_python *python)
{
	struct python_objects objects;
	const struct python_value_options options = {.text_max = 4096, .item_max = 1000, .depth_max = 8};
	size_t cnt = 0;

	cr_assert_eq(python_objects_init(&objects, &python->memory, &python->file.layout, python->runtime), 0);
	for (const char *fact = NULL; (fact = live_python_fact(python, "frame", fact)); cnt++) {
		struct expectation expectation = {.python = python, .first = fact};
		char *rest;
		u64 frame = strtoull(fact + strlen("frame "), &rest, 16);

		cr_assert_eq(python_variables_read(&objects, frame_of_object(&objects, frame), strtoull(rest, NULL, 16),
						   &options, check_variable, &expectation),
			     0);
		cr_expect_eq(expectation.cnt, told_cnt(python, fact), "%s: %zu of %zu variables", python->name,
			     expectation.cnt, told_cnt(python, fact));
	}
	cr_assert_geq(cnt, 3);
}

Test(variables, are_those_of_f_locals)
{
	for_each_live_python_running(SCRIPT, 0, check_frames);
}

struct sum {
	size_t cnt, size, left_out;
};

static int sum_visit(void *ctx, const char *name, const char *value, bool is_argument)
{
	struct sum *sum = ctx;

	sum->cnt++;
	sum->size += strlen(value);
	sum->left_out += !strcmp(value, "...");
	return 0;
}

static void check_bounds(const struct live_python *python)
{
	struct python_objects objects;
	const struct python_value_options options = {.text_max = 4096, .item_max = 1000, .depth_max = 8};
	struct sum sum = {0};
	const char *fact = live_python_fact(python, "many", NULL);
	char *rest;

	cr_assert_eq(python_objects_init(&objects, &python->memory, &python->file.layout, python->runtime), 0);
	u64 frame = strtoull(fact + strlen("many "), &rest, 16);
	cr_assert_eq(python_variables_read(&objects, frame_of_object(&objects, frame), strtoull(rest, NULL, 16),
					   &options, sum_visit, &sum),
		     0);
	cr_assert_eq(sum.cnt, PYTHON_VARIABLES_MAX, "%s: %zu", python->name, sum.cnt);
	cr_assert_geq(sum.size, PYTHON_VARIABLES_TEXT_MAX);
	cr_assert_lt(sum.size, PYTHON_VARIABLES_TEXT_MAX + 2002 + 3 * PYTHON_VARIABLES_MAX);
	cr_assert_eq(sum.left_out, PYTHON_VARIABLES_MAX - (PYTHON_VARIABLES_TEXT_MAX / 2002 + 1));
}

Test(variables, that_are_many_or_long_are_bounded)
{
	for_each_live_python_running(SCRIPT, 0, check_bounds);
}

static int stop(void *ctx, const char *name, const char *value, bool is_argument)
{
	return 7;
}

static void check_stop(const struct live_python *python)
{
	struct python_objects objects;
	const struct python_value_options options = PYTHON_VALUE_OPTIONS;
	char *rest;

	cr_assert_eq(python_objects_init(&objects, &python->memory, &python->file.layout, python->runtime), 0);
	u64 frame = strtoull(live_python_fact(python, "frame", NULL) + strlen("frame "), &rest, 16);
	u64 code = strtoull(rest, NULL, 16);
	cr_assert_eq(python_variables_read(&objects, frame_of_object(&objects, frame), code, &options, stop, NULL), 7);
	cr_assert_eq(python_variables_read(&objects, 8, code, &options, stop, NULL), -EFAULT);
	cr_assert_eq(python_variables_read(&objects, frame, 8, &options, stop, NULL), -EFAULT);
}

Test(variables, visits_end_when_one_says_so_or_nothing_can_be_read)
{
	for_each_live_python_running(SCRIPT, 0, check_stop);
}
