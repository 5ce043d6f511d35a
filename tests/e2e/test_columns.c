/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The expressions in a flame graph's tooltips, from 3.11 on: each must be one that the interpreter's co_positions() has in
 * that function, with the text that stands there, and the hottest the one that has the time (tests/workloads/columns.py).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/e2e/harness.h"

E2E_SUITE(columns, 120);

#define HZ	999
#define SECONDS 3

static bool has_columns(const struct python *python)
{
	return python_is_since(python, 3, 11);
}

/* One of our workload's tooltips: `NAME (FILE:LINE)`, what it is, and its expressions, `PART % PLACE TEXT`. */
struct tooltip {
	char name[128];
	unsigned long long samples;
	char *spots; /* the first expression; NULL: none */
};

struct answer {
	const char *truth; /* what the workload wrote */
	size_t nodes, spots, texts; /* that were looked at */
};

static void unescape(char *text)
{
	static const struct {
		const char *from;
		char to;
	} names[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#39;", '\''}, {"&amp;", '&'}};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		for (char *at = text; (at = strstr(at, names[i].from)); at++) {
			*at = names[i].to;
			memmove(at + 1, at + strlen(names[i].from), strlen(at + strlen(names[i].from)) + 1);
		}
	}
}

/* False when it is of something else. Points into text, which it changes. */
static bool tooltip_parse(char *text, struct tooltip *ret)
{
	char *facts = strchr(text, '\n'), *open;

	*ret = (struct tooltip){0};
	if (!facts)
		return false;
	*facts++ = 0;
	open = strstr(text, " (");
	if (!open || !strstr(open, "/columns.py"))
		return false;
	unescape(text);
	snprintf(ret->name, sizeof(ret->name), "%.*s", (int)(strstr(text, " (") - text), text);
	ret->spots = strchr(facts, '\n');
	if (ret->spots)
		*ret->spots++ = 0;
	for (const char *c = facts + strcspn(facts, "0123456789"); (*c >= '0' && *c <= '9') || *c == ','; c++)
		if (*c != ',')
			ret->samples = ret->samples * 10 + (unsigned)(*c - '0');
	return true;
}

/* The truth's row of this kind, name and place; NULL: it has none. Its text follows. */
static const char *row_find(const char *truth, const char *kind, const char *name, const char *place)
{
	const char *row = text_of("\n%s\t%s\t%s\t", kind, name, place), *found = strstr(truth, row);

	return found ? found + strlen(row) : NULL;
}

static bool is_known(const char *spot)
{
	return *spot >= '0' && *spot <= '9';
}

static void check_spot(const char *python, const struct tooltip *tooltip, char *spot, struct answer *answer)
{
	char place[64];
	double part;
	int used = 0;

	cr_assert_eq(sscanf(spot, "%lf %% %63s%n", &part, place, &used), 2, "%s: '%s'", python, spot);
	const char *text = spot[used] ? spot + used + 1 : NULL,
		   *row = row_find(answer->truth, "at", tooltip->name, place);
	cr_assert_not_null(row, "%s: co_positions() of %s has no %s", python, tooltip->name, place);
	answer->spots++;
	size_t size = strcspn(row, "\n");
	if (!text || !size)
		return;
	cr_assert(strlen(text) == size && !memcmp(text, row, size), "%s: %s at %s is '%s', not '%.*s'", python,
		  tooltip->name, place, text, (int)size, row);
	answer->texts++;
}

static void check_tooltip(const char *python, const struct tooltip *tooltip, struct answer *answer)
{
	char *rest, *spots = tooltip->spots, place[64] = "";
	double part = 0;

	answer->nodes++;
	if (!spots)
		return;
	unescape(spots);
	sscanf(spots, "%lf %% %63s", &part, place);
	/* Where a line has a hot expression and enough samples, it is the first. */
	const char *line = text_of("\nhot\t%s\t%.*s:", tooltip->name, (int)strcspn(place, ":"), place);
	if (tooltip->samples > FEW && strstr(answer->truth, line)) {
		cr_expect(row_find(answer->truth, "hot", tooltip->name, place) && part > 50,
			  "%s: the hottest of %s is %s with %.1f %%", python, tooltip->name, place, part);
	}
	for (char *spot = strtok_r(spots, "\n", &rest); spot; spot = strtok_r(NULL, "\n", &rest))
		if (is_known(spot))
			check_spot(python, tooltip, spot, answer);
}

static void check_svg(const char *python, char *svg, struct answer *answer)
{
	static const char begin[] = "<title>", end[] = "</title>";

	for (char *at = svg; (at = strstr(at, begin));) {
		struct tooltip tooltip;
		char *text = at + strlen(begin), *behind = strstr(text, end);

		cr_assert_not_null(behind);
		*behind = 0;
		at = behind + 1;
		if (tooltip_parse(text, &tooltip))
			check_tooltip(python, &tooltip, answer);
	}
}

static struct child *workload_start(const struct python *python, const struct place *place, const char *environment)
{
	struct start how = {
		.root = python->root, .directory = place->inside, .environment = {"LC_ALL=C.UTF-8", environment}};
	const char *script = text_of("%s/columns.py", place->inside), *truth = text_of("%s/truth", place->inside);
	struct child *workload = child_start(&how, (const char *[]){python->path, script, truth, NULL});

	child_ready(workload, 30);
	return workload;
}

static struct answer answer_of(const struct python *python, const char *environment, const char *option)
{
	struct place place = place_in(python->root);
	struct child *workload = workload_start(python, &place, environment);
	struct child *profiler = profiler_run(SECONDS + 30, "record", "-p", text_of("%d", (int)workload->pid), "-F",
					      text_of("%d", HZ), "-d", text_of("%d", SECONDS), "-o",
					      in_place(&place, "out.svg"), option, NULL);
	cr_assert_eq(profiler->status, 0, "%s", child_err(profiler));

	char *truth = file_text(in_place(&place, "truth")), *svg = file_text(in_place(&place, "out.svg"));
	cr_assert(truth && svg);
	struct answer answer = {.truth = text_of("\n%s", truth)};
	check_svg(python->name, svg, &answer);
	printf("columns, %s: %zu nodes, %zu expressions, %zu texts\n", python->name, answer.nodes, answer.spots,
	       answer.texts);
	return answer;
}

ParameterizedTestParameters(columns, are_those_of_the_interpreter_and_the_hot_expression_is_the_first)
{
	return pythons_that(has_columns);
}

ParameterizedTest(struct python *python, columns, are_those_of_the_interpreter_and_the_hot_expression_is_the_first)
{
	struct answer answer = answer_of(python, NULL, NULL);

	/* slow, calls, spans, method and the module, each at least once. */
	cr_expect_geq(answer.nodes, 5, "%s", python->name);
	cr_expect_geq(answer.spots, answer.nodes, "%s: %zu expressions of %zu nodes", python->name, answer.spots,
		      answer.nodes);
	cr_expect_geq(answer.texts, 5, "%s: no text", python->name);
}

ParameterizedTestParameters(columns, are_left_out_where_the_interpreter_has_none)
{
	return pythons_that(has_columns);
}

ParameterizedTest(struct python *python, columns, are_left_out_where_the_interpreter_has_none)
{
	struct answer answer = answer_of(python, "PYTHONNODEBUGRANGES=1", NULL);

	cr_expect_geq(answer.nodes, 5, "%s", python->name);
	cr_expect_eq(answer.spots, 0, "%s", python->name);
}

Test(columns, are_left_out_where_lines_are_not_wanted)
{
	struct python python = python_any();
	struct answer answer = answer_of(&python, NULL, "--no-lines");

	cr_expect_geq(answer.nodes, 5);
	cr_expect_eq(answer.spots, 0);
}
