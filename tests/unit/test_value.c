/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "inspect/value.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "live_python.h"
#include "inspect/number.h"

#define SCRIPT "tests/unit/data/values.py" /* says which facts there are */

static const struct python_value_options everything = {.text_max = 4096, .item_max = 1000, .depth_max = 8};
static const struct python_value_options little = {.text_max = 8, .item_max = 3, .depth_max = 2};

static size_t check_facts(const struct live_python *python, const char *word,
			  const struct python_value_options *options)
{
	struct python_objects objects;
	size_t cnt = 0;

	cr_assert_eq(python_objects_init(&objects, &python->memory, &python->file.layout, python->runtime), 0, "%s",
		     python->name);
	for (const char *fact = NULL; (fact = live_python_fact(python, word, fact)); cnt++) {
		char *text;
		u64 address = strtoull(fact + strlen(word) + 1, &text, 16);
		_cleanup_(free) char *expected = fact_text(text + 1);
		STRBUF(value);

		cr_assert_eq(python_value_put(&value, &objects, address, options), 0);
		cr_expect_str_eq(value.at, expected, "%s: a value of %.60s is %.200s", python->name, expected,
				 value.at);
	}
	return cnt;
}

static void check_values(const struct live_python *python)
{
	cr_assert_gt(check_facts(python, "value", &everything), 1500);
}

Test(value, is_what_repr_says_of_it)
{
	for_each_live_python_running(SCRIPT, 0, check_values);
}

static void check_cuts(const struct live_python *python)
{
	cr_assert_gt(check_facts(python, "cut", &little), 10);
}

Test(value, that_is_long_or_deep_is_cut)
{
	for_each_live_python_running(SCRIPT, 0, check_cuts);
}

static void check_garbage(const struct live_python *python)
{
	struct python_objects objects;
	const struct python_value_options options = PYTHON_VALUE_OPTIONS;

	cr_assert_eq(python_objects_init(&objects, &python->memory, &python->file.layout, python->runtime), 0);
	/* Whatever lies around a living object is read as if it were one. */
	u64 address = strtoull(live_python_fact(python, "value", NULL) + strlen("value "), NULL, 16);
	for (u64 at = address - 4096; at < address + 4096; at += 8) {
		STRBUF(value);

		cr_assert_eq(python_value_put(&value, &objects, at, &options), 0);
		cr_assert_gt(value.size, 0);
		cr_assert_lt(value.size, 4 * PYTHON_VALUE_SIZE_MAX);
	}
	STRBUF(value);
	cr_assert_eq(python_value_put(&value, &objects, 8, &options), 0);
	cr_assert_str_eq(value.at, "<unreadable at 0x8>");
}

Test(value, of_an_address_that_is_no_object_is_some_text)
{
	for_each_live_python_running(SCRIPT, 0, check_garbage);
}

/* What changes all the time is read as one of its states, or as something torn; never as more than there can be. */
static void check_changing(const struct live_python *python)
{
	struct python_objects objects;
	const struct python_value_options options = PYTHON_VALUE_OPTIONS;
	char line[16];

	cr_assert_eq(python_objects_init(&objects, &python->memory, &python->file.layout, python->runtime), 0);
	fputs("\n", python->input);
	fflush(python->input);
	cr_assert(fgets(line, sizeof(line), python->output), "%s is gone", python->name);
	for (int i = 0; i < 100; i++) {
		for (const char *fact = NULL; (fact = live_python_fact(python, "changes", fact));) {
			char *begin;
			u64 address = strtoull(fact + strlen("changes "), &begin, 16);
			STRBUF(value);

			cr_assert_eq(python_value_put(&value, &objects, address, &options), 0);
			cr_assert_lt(value.size, 2 * PYTHON_VALUE_SIZE_MAX);
			cr_expect(value.at[0] == begin[1] || value.at[0] == begin[2] || value.at[0] == '<', "%s: %.60s",
				  python->name, value.at);
		}
	}
}

Test(value, that_changes_while_it_is_read_is_some_text)
{
	for_each_live_python_running("tests/unit/data/changing.py", 0, check_changing);
}

static void check_float(double value, const char *expected)
{
	STRBUF(text);

	python_float_put(&text, value);
	cr_expect_str_eq(text.at, expected, "%.17g became %s", value, text.at);
}

Test(value, of_a_float_has_the_form_that_python_documents)
{
	check_float(0.1, "0.1");
	check_float(1e16, "1e+16");
	check_float(1e15, "1000000000000000.0");
	check_float(0.0001, "0.0001");
	check_float(0.00001, "1e-05");
	check_float(-0.0, "-0.0");
	check_float(INFINITY, "inf");
	check_float(-INFINITY, "-inf");
	check_float(NAN, "nan");
	check_float(5e-324, "5e-324");
}
