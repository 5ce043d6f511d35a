/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The checker of whole native stacks, fed with what it must refuse. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "tests/e2e/check_chains.h"

#define TRUTH                         \
	"-\tmain (p)\t1\t3\n"         \
	"main (p)\tf1 (p)\t0\t0\n"    \
	"f1 (p)\tf2 (p)\t0\t0\n"      \
	"f2 (p)\tcompare (p)\t1\t2\n" \
	"f2 (p)\t-\t0\t3\n"           \
	"compare (p)\tf3 (p)\t0\t0\n" \
	"main (p)\tg1 (lib.so)\t0\t0\n"

#define SIGNALS                    \
	"*\ton_signal (p)\t1\t1\n" \
	"on_signal (p)\th1 (p)\t0\t0\n"

static struct chain_verdict verdict_of(const char *truth, const char *text)
{
	struct folded folded = {0};
	struct chains chains = {0};
	const char *problem = folded_parse(text, &folded);

	cr_assert_null(problem, "%s", problem);
	problem = chains_parse(truth, &chains);
	cr_assert_null(problem, "%s", problem);
	struct chain_verdict verdict = check_chains(&folded, &chains);
	cr_assert_eq(verdict.right + verdict.incomplete + verdict.wrong, verdict.samples);
	folded_free(&folded);
	chains_free(&chains);
	return verdict;
}

#define START "x (1);_start (p);0x2724 (libc.so.6);main (p)"

Test(check_chains, stacks_that_the_program_can_have_are_right)
{
	struct chain_verdict verdict = verdict_of(TRUTH, START
						  " 1\n" START ";f1 (p) 2\n" START ";f1 (p);f2 (p) 4\n" START
						  ";f1 (p);f2 (p);memcpy (libc.so.6) 8\n" START
						  ";f1 (p);f2 (p);qsort_r (libc.so.6);compare (p);f3 (p) 16\n" START
						  ";f1 (p);read_[k];vfs_read_[k] 32\n" START ";g1 (lib.so) 64\n");

	cr_assert_eq(verdict.right, 127, "%s", verdict.first_wrong);
	cr_assert_eq(verdict.others, 8);
	cr_assert_eq(verdict.unseen, 0, "%s", verdict.first_unseen);
}

Test(check_chains, a_pair_that_was_never_seen_is_told)
{
	struct chain_verdict verdict = verdict_of(TRUTH, START ";f1 (p);f2 (p) 4\n");

	cr_assert_eq(verdict.right, 4);
	cr_assert_eq(verdict.unseen, 3);
	cr_assert_str_eq(verdict.first_unseen, "f2 (p) -> compare (p)");
}

Test(check_chains, pairs_of_wrong_stacks_are_not_seen)
{
	struct chain_verdict verdict = verdict_of(TRUTH, START ";f1 (p);f2 (p);f3 (p) 4\n");

	cr_assert_eq(verdict.wrong, 4);
	cr_assert_eq(verdict.unseen, 6);
}

Test(check_chains, what_says_that_it_is_not_whole_is_incomplete)
{
	struct chain_verdict verdict = verdict_of(TRUTH, "x (1);[truncated: no-table];f3 (p) 1\n"
							 "x (1);_start (p);[unknown: address];main (p) 1\n");

	cr_assert_eq(verdict.incomplete, 2);
	cr_assert_str_eq(verdict.first_incomplete, "x (1);[truncated: no-table];f3 (p)");
}

struct row {
	char why[100], text[300];
};

#define ROW(why, text)                    \
	{                                 \
		why, "x (1);" text " 3\n" \
	}

ParameterizedTestParameters(check_chains, a_stack_that_cannot_be_is_wrong)
{
	static const struct row rows[] = {
		ROW("a function is left out", "_start (p);main (p);f2 (p)"),
		ROW("a function is twice there", "_start (p);main (p);f1 (p);f1 (p)"),
		ROW("upside down", "f1 (p);main (p);_start (p)"),
		ROW("the start is missing", "main (p);f1 (p)"),
		ROW("the start is too long", "a (p);b (p);c (p);d (p);main (p);f1 (p)"),
		ROW("only half of the stack", "_start (p);f1 (p)"),
		ROW("libc between two that call each other", "_start (p);main (p);0x1 (libc.so.6);f1 (p)"),
		ROW("no libc between two that need it", "_start (p);main (p);f1 (p);f2 (p);compare (p)"),
		ROW("too much libc",
		    "_start (p);main (p);f1 (p);f2 (p);a (libc.so.6);b (libc.so.6);c (libc.so.6);compare (p)"),
		ROW("libc where nobody calls it", "_start (p);main (p);f1 (p);memcpy (libc.so.6)"),
		ROW("too much libc at the end", "_start (p);main (p);f1 (p);f2 (p);a (l);b (l);c (l);d (l)"),
		ROW("a name of another file", "_start (p);main (p);g1 (p)"),
		ROW("an unfolded half", "_start (p);main (p);f1.cold (p)"),
		ROW("nothing of the program", "_start (p)"),
		ROW("a signal where there is none", "_start (p);main (p);0x1 (libc.so.6);on_signal (p)"),
		{"nothing at all", "x (1) 3\n"},
		{"only the kernel", "x (1);read_[k] 3\n"},
	};
	struct row *parameters = cr_calloc(sizeof(rows) / sizeof(*rows), sizeof(*rows));

	memcpy(parameters, rows, sizeof(rows));
	return cr_make_param_array(struct row, parameters, sizeof(rows) / sizeof(*rows));
}

ParameterizedTest(struct row *row, check_chains, a_stack_that_cannot_be_is_wrong)
{
	struct chain_verdict verdict = verdict_of(TRUTH, row->text);

	cr_assert_eq(verdict.wrong, 3, "%s was accepted", row->why);
	cr_assert_neq(*verdict.first_wrong, 0);
}

Test(check_chains, a_signal_may_come_anywhere_in_a_stack)
{
	struct chain_verdict verdict = verdict_of(TRUTH SIGNALS, START
						  ";0x1 (libc.so.6);on_signal (p);h1 (p) 1\n" START
						  ";f1 (p);__restore_rt (libc.so.6) 2\n" START
						  ";f1 (p);f2 (p);a (l);b (l);c (l);0x1 (libc.so.6);on_signal (p) 4\n");

	cr_assert_eq(verdict.right, 7, "%s", verdict.first_wrong);
}

Test(check_chains, a_handler_needs_a_signal_frame_and_something_that_was_interrupted)
{
	struct chain_verdict verdict = verdict_of(TRUTH SIGNALS,
						  "x (1);0x1 (libc.so.6);on_signal (p);h1 (p) 1\n" START
						  ";f1 (p);a (l);b (l);c (l);on_signal (p) 2\n" START
						  ";f1 (p);on_signal (p) 4\n" START ";on_signal (p) 8\n");

	cr_assert_eq(verdict.right, 0);
	cr_assert_eq(verdict.wrong, 15);
}

ParameterizedTestParameters(check_chains, a_truth_that_is_none_is_refused)
{
	static const struct row rows[] = {
		{"empty", ""},
		{"cut off", "-\tmain (p)\t0\t3"},
		{"three columns", "-\tmain (p)\t0\n"},
		{"five columns", "-\tmain (p)\t0\t3\t4\n"},
		{"no number", "-\tmain (p)\tx\t3\n"},
		{"more than the most", "-\tmain (p)\t4\t3\n"},
		{"no caller", "\tmain (p)\t0\t3\n"},
		{"no start", "main (p)\tf (p)\t0\t0\n"},
		{"an empty line", "-\tmain (p)\t0\t3\n\n"},
	};
	struct row *parameters = cr_calloc(sizeof(rows) / sizeof(*rows), sizeof(*rows));

	memcpy(parameters, rows, sizeof(rows));
	return cr_make_param_array(struct row, parameters, sizeof(rows) / sizeof(*rows));
}

ParameterizedTest(struct row *row, check_chains, a_truth_that_is_none_is_refused)
{
	struct chains chains;

	cr_assert_not_null(chains_parse(row->text, &chains), "%s was accepted", row->why);
}

Test(check_chains, addresses_of_a_stripped_file_get_their_names_back)
{
	struct folded folded = {0};
	struct symbols symbols = {0};

	cr_assert_null(folded_parse("x (1);0x1000 (p);0x10ff (p);0x1105 (p);0xfff (p);0x1000 (q);f (p) 1\n", &folded));
	cr_assert_null(symbols_parse("0000000000001000 T _start\n0000000000001100 t f1.cold\n"
				     "0000000000001102 d data\n                 U puts\n",
				     "p", &symbols));
	symbols_apply(&symbols, "p", &folded);

	static const char *const expected[] = {"x (1)",	    "_start (p)", "_start (p)", "f1 (p)",
					       "0xfff (p)", "0x1000 (q)", "f (p)"};
	cr_assert_eq(folded.lines[0].frame_cnt, 7);
	for (size_t i = 0; i < 7; i++)
		cr_expect_str_eq(folded.lines[0].frames[i], expected[i]);
	folded_free(&folded);
	symbols_free(&symbols);
}

Test(check_chains, symbols_that_are_none_are_refused)
{
	struct symbols symbols;

	cr_assert_not_null(symbols_parse("1100 T b\n1000 T a\n", "p", &symbols));
	cr_assert_not_null(symbols_parse("", "p", &symbols));
}
