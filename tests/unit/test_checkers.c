/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The checks of the end-to-end tests, fed with what they must refuse. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pyprof/losses.h"
#include "tests/e2e/check.h"

static struct folded folded_from(const char *text)
{
	struct folded folded = {0};
	const char *problem = folded_parse(text, &folded);

	cr_assert_null(problem, "%s", problem);
	return folded;
}

Test(checkers, a_folded_profile_is_read)
{
	struct folded folded = folded_from("app (7);f (a b.py:3);g (a b.py:?);memcpy (libc.so.6);read_[k] 12\n"
					   "app (7);f (a b.py:4) 1\n"
					   "my (odd) app (8);[truncated: python-depth];f (a.py:4) 1\n"
					   "x (9) 2\n");

	cr_assert_eq(folded.cnt, 4);
	cr_assert_eq(folded.samples, 16);
	cr_assert_eq(folded.lines[0].frame_cnt, 5);
	cr_assert_str_eq(folded.lines[0].frames[1], "f (a b.py:3)");
	cr_assert_eq(frame_pid(folded.lines[2].frames[0]), 8);
	cr_assert_eq(folded_count(&folded, "f (a*"), 14);
	cr_assert_eq(folded_count(&folded, "g (a b.py:?)"), 12);

	struct folded seven = folded_of_pid(&folded, 7), odd = folded_of_comm(&folded, "my (odd) app");
	cr_assert_eq(seven.samples, 13);
	cr_assert_eq(odd.samples, 1);
	folded_free(&seven);
	folded_free(&odd);
	folded_free(&folded);
}

struct wrong_text {
	const char *why, *text;
};

#define TEXT_MAX 200
struct row {
	char why[TEXT_MAX], text[TEXT_MAX];
};

static struct criterion_test_params rows_of(const struct wrong_text *texts, size_t cnt)
{
	struct row *rows = cr_calloc(cnt, sizeof(*rows));

	for (size_t i = 0; i < cnt; i++) {
		snprintf(rows[i].why, TEXT_MAX, "%s", texts[i].why);
		snprintf(rows[i].text, TEXT_MAX, "%s", texts[i].text);
	}
	return cr_make_param_array(struct row, rows, cnt);
}

ParameterizedTestParameters(checkers, a_folded_profile_that_is_wrong_is_refused)
{
	static const struct wrong_text texts[] = {
		{"no count", "app (7);f (a.py:3)\n"},
		{"a count of 0", "app (7);f (a.py:3) 0\n"},
		{"a leading zero", "app (7);f (a.py:3) 01\n"},
		{"a sign", "app (7);f (a.py:3) -1\n"},
		{"two spaces", "app (7);f (a.py:3)  1\n"},
		{"trailing blank", "app (7);f (a.py:3) 1 \n"},
		{"no end of line", "app (7);f (a.py:3) 1"},
		{"an empty line", "app (7) 1\n\n"},
		{"carriage return", "app (7) 1\r\n"},
		{"a control byte", "app\x1b (7) 1\n"},
		{"delete", "app\x7f (7) 1\n"},
		{"no pid", "app;f (a.py:3) 1\n"},
		{"a pid that is none", "app (x);f (a.py:3) 1\n"},
		{"an empty frame", "app (7);;f (a.py:3) 1\n"},
		{"a frame without file", "app (7);f 1\n"},
		{"a frame without name", "app (7); (a.py:3) 1\n"},
		{"a kernel frame without name", "app (7);_[k] 1\n"},
		{"a reason of our making", "app (7);[unknown: bad-luck] 1\n"},
		{"an unknown with a reason to truncate", "app (7);[unknown: python-depth] 1\n"},
		{"a truncated with a reason to know nothing", "app (7);[truncated: address] 1\n"},
		{"a truncated with a reason to be lost", "app (7);[truncated: ring-full] 1\n"},
		{"an unknown without reason", "app (7);[unknown] 1\n"},
		{"a mark of our making", "app (7);[merged] 1\n"},
		{"wrong order", "b (7) 1\na (7) 1\n"},
		{"wrong order of bytes", "a (7);\xc3\xa9 (x.py:1) 1\na (7);z (x.py:1) 1\n"},
		{"a child before its parent", "a (7);f (x.py:1) 1\na (7) 1\n"},
		{"the same stack twice", "a (7) 1\na (7) 2\n"},
		{"a broken character", "\xc3 (7) 1\n"},
		{"half a pair of surrogates", "\xed\xa0\x80 (7) 1\n"},
		{"a slash in two bytes", "\xc0\xaf (7) 1\n"},
		{"beyond Unicode", "\xf5\x80\x80\x80 (7) 1\n"},
	};
	return rows_of(texts, sizeof(texts) / sizeof(*texts));
}

ParameterizedTest(struct row *row, checkers, a_folded_profile_that_is_wrong_is_refused)
{
	struct folded folded = {0};

	cr_assert_not_null(folded_parse(row->text, &folded), "%s was accepted", row->why);
}

static struct pairs pairs_from(const char *text)
{
	struct pairs pairs = {0};
	const char *problem = pairs_parse(text, &pairs);

	cr_assert_null(problem, "%s", problem);
	return pairs;
}

#define TRUTH                             \
	"\t<module> (a.py:9)\n"           \
	"<module> (a.py:9)\tf (a.py:2)\n" \
	"<module> (a.py:9)\tf (a.py:3)\n" \
	"f (a.py:3)\tg (a.py:6)\n"        \
	"\tthread (a.py:12)\n"

static struct verdict verdict_of(const char *text)
{
	struct folded folded = folded_from(text);
	struct pairs pairs = pairs_from(TRUTH);
	struct verdict verdict = check_stacks(&folded, &pairs);

	folded_free(&folded);
	pairs_free(&pairs);
	return verdict;
}

Test(checkers, stacks_that_can_be_are_complete)
{
	struct verdict verdict = verdict_of("p (1);<module> (a.py:9);f (a.py:2) 5\n"
					    "p (1);<module> (a.py:9);f (a.py:3);g (a.py:6) 5\n"
					    "p (1);<module> (a.py:9);f (a.py:3);g (a.py:6);deflate (libz.so.1) 5\n"
					    "p (1);thread (a.py:12);read_[k];vfs_read_[k] 5\n");

	cr_assert_eq(verdict.impossible, 0, "%s", verdict.first_impossible);
	cr_assert_eq(verdict.samples, 20);
	cr_assert_eq(verdict.complete, 20);
}

Test(checkers, native_frames_may_stand_wherever_python_calls_them)
{
	struct verdict verdict = verdict_of(
		"p (1);<module> (a.py:9);f (a.py:3);qsort (libc.so.6);g (a.py:6);deflate (libz.so.1);read_[k] 5\n"
		"p (1);[greenlet];main (python3);<module> (a.py:9);f (a.py:2) 5\n"
		"p (1);qsort (libc.so.6);[unmerged];<module> (a.py:9);f (a.py:3);g (a.py:6) 5\n");

	cr_assert_eq(verdict.impossible, 0, "%s", verdict.first_impossible);
	cr_assert_eq(verdict.complete, 15);
}

Test(checkers, what_is_missing_is_incomplete_and_not_impossible)
{
	struct verdict verdict = verdict_of("p (1) 1\n"
					    "p (1);<module> (a.py:9);[unknown: code-gone];g (a.py:6) 1\n"
					    "p (1);[truncated: python-depth];f (a.py:3);g (a.py:6) 1\n"
					    "p (1);[unknown: thread-state];memcpy (libc.so.6) 1\n"
					    "p (1);memcpy (libc.so.6) 1\n"
					    "p (1);read_[k] 1\n");

	cr_assert_eq(verdict.impossible, 0, "%s", verdict.first_impossible);
	cr_assert_eq(verdict.complete, 0);
	cr_assert_eq(verdict.samples, 6);
	cr_assert_str_eq(verdict.first_incomplete, "p (1)");
}

ParameterizedTestParameters(checkers, a_stack_that_cannot_be_is_impossible)
{
	static const struct wrong_text texts[] = {
		{"a callee of another", "p (1);<module> (a.py:9);g (a.py:6) 3\n"},
		{"a caller's line that is one off", "p (1);<module> (a.py:9);f (a.py:2);g (a.py:6) 3\n"},
		{"the innermost line is one off", "p (1);<module> (a.py:9);f (a.py:4) 3\n"},
		{"an unknown line that is known", "p (1);<module> (a.py:9);f (a.py:?) 3\n"},
		{"the outermost frame is missing", "p (1);f (a.py:2) 3\n"},
		{"the outermost line is one off", "p (1);<module> (a.py:8);f (a.py:2) 3\n"},
		{"a frame twice", "p (1);<module> (a.py:9);<module> (a.py:9);f (a.py:2) 3\n"},
		{"another file", "p (1);<module> (a.py:9);f (b.py:2) 3\n"},
		{"another name", "p (1);<module> (a.py:9);ff (a.py:2) 3\n"},
		{"upside down", "p (1);f (a.py:3);<module> (a.py:9) 3\n"},
		{"a callee of another behind native frames",
		 "p (1);<module> (a.py:9);qsort (libc.so.6);g (a.py:6) 3\n"},
		{"a mark under kernel", "p (1);<module> (a.py:9);read_[k];[unmerged] 3\n"},
		{"Python under kernel", "p (1);<module> (a.py:9);read_[k];f (a.py:2) 3\n"},
		{"torn below what is truncated", "p (1);[truncated: time];f (a.py:2);g (a.py:6) 3\n"},
		{"native under kernel", "p (1);thread (a.py:12);read_[k];memcpy (libc.so.6) 3\n"},
	};
	return rows_of(texts, sizeof(texts) / sizeof(*texts));
}

ParameterizedTest(struct row *row, checkers, a_stack_that_cannot_be_is_impossible)
{
	struct verdict verdict = verdict_of(row->text);

	cr_assert_eq(verdict.impossible, 3, "%s was accepted", row->why);
	cr_assert_neq(*verdict.first_impossible, 0);
}

Test(checkers, an_empty_truth_is_refused)
{
	struct pairs pairs = {0};

	cr_assert_not_null(pairs_parse("", &pairs));
	cr_assert_not_null(pairs_parse("half a pair\n", &pairs));
	cr_assert_not_null(pairs_parse("a\tb", &pairs));
}

static struct verdict reuse_verdict_of(const char *text)
{
	struct folded folded = folded_from(text);
	struct verdict verdict = check_reuse(&folded);

	folded_free(&folded);
	return verdict;
}

Test(checkers, made_names_that_add_up_are_named)
{
	struct verdict verdict = reuse_verdict_of(
		"p (1);<module> (/t/reuse.py:40);<module> (/made/3/22.py:28);made_3_22 (/made/3/22.py:23) 2\n"
		"p (1);<module> (/t/reuse.py:40);[unknown: code-gone] 1\n"
		"p (1);<module> (/t/reuse.py:40);[unknown: code-gone];made_3_22 (/made/3/22.py:26) 2\n"
		"p (1);made_3_22 (/made/3/22.py:?) 7\n");

	cr_assert_eq(verdict.impossible, 0, "%s", verdict.first_impossible);
	cr_assert_eq(verdict.samples, 12);
	cr_assert_eq(verdict.named, 4);
}

ParameterizedTestParameters(checkers, a_made_name_of_another_code_object_is_impossible)
{
	static const struct wrong_text texts[] = {
		{"another's file", "p (1);made_3_22 (/made/4/29.py:23) 3\n"},
		{"another's name", "p (1);made_4_29 (/made/3/22.py:23) 3\n"},
		{"another's line", "p (1);made_3_22 (/made/3/22.py:30) 3\n"},
		{"a line before its first", "p (1);made_3_22 (/made/3/22.py:21) 3\n"},
		{"a line behind an unknown one", "p (1);made_3_22 (/made/3/22.py:?:?) 3\n"},
		{"an unknown line of another's file", "p (1);made_3_22 (/made/4/29.py:?) 3\n"},
		{"half a name", "p (1);made_3_ (/made/3/22.py:23) 3\n"},
		{"more than a name", "p (1);made_3_22 (/made/3/22.py:23x:1) 3\n"},
		{"another's module", "p (1);<module> (/made/4/29.py:35);made_3_22 (/made/3/22.py:23) 3\n"},
		{"a line that does not call", "p (1);<module> (/made/3/22.py:27);made_3_22 (/made/3/22.py:23) 3\n"},
		{"a first line that was never made", "p (1);made_3_23 (/made/3/23.py:24) 3\n"},
		{"another function in a made file", "p (1);live_and_die (/made/3/22.py:23) 3\n"},
	};
	return rows_of(texts, sizeof(texts) / sizeof(*texts));
}

ParameterizedTest(struct row *row, checkers, a_made_name_of_another_code_object_is_impossible)
{
	cr_assert_eq(reuse_verdict_of(row->text).impossible, 3, "%s was accepted", row->why);
}

Test(checkers, nearly_all_is_999_of_1000)
{
	cr_assert(nearly_all(999, 1000));
	cr_assert(nearly_all(0, 0));
	cr_assert_not(nearly_all(998, 1000));
	cr_assert(nearly_all(899, 900));
	cr_assert_not(nearly_all(898, 900));
	cr_assert_not(nearly_all(0, 1));
	cr_assert_not(nearly_all(19979, 20000));
}

Test(checkers, a_share_is_plausible_within_the_binomial_interval)
{
	/* 10,000 tries at 1/4: the standard deviation is 43.3. */
	cr_assert(share_is_plausible(2500, 10000, 0.25));
	cr_assert(share_is_plausible(2642, 10000, 0.25));
	cr_assert_not(share_is_plausible(2644, 10000, 0.25));
	cr_assert(share_is_plausible(2358, 10000, 0.25));
	cr_assert_not(share_is_plausible(2356, 10000, 0.25));
}

#define WINDOW_1 "# window 2026-11-22T00:07:24.900Z 1.200 19 3 0\na (1) 1\nb (1) 2\n"

Test(checkers, windows_that_follow_each_other_are_read)
{
	struct windows windows = {0};
	const char *problem = check_windows(WINDOW_1 "# window 2026-11-22T00:07:26.100Z 1.200 19 0 4\n"
						     "# window 2026-11-22T00:07:27.300Z 0.100 19 1 0\nb (1) 1\n",
					    &windows);

	cr_assert_null(problem, "%s", problem);
	cr_assert_eq(windows.cnt, 3);
	cr_assert_eq(windows.samples, 4);
	cr_assert_eq(windows.lost, 4);
	cr_assert_eq(windows.hz, 19);
	cr_assert_float_eq(windows.seconds, 2.5, 1e-9);
}

ParameterizedTestParameters(checkers, windows_that_are_wrong_are_refused)
{
	static const struct wrong_text texts[] = {
		{"a gap", WINDOW_1 "# window 2026-11-22T00:07:26.110Z 1.200 19 0 0\n"},
		{"an overlap", WINDOW_1 "# window 2026-11-22T00:07:26.090Z 1.200 19 0 0\n"},
		{"a sum that is not", "# window 2026-11-22T00:07:24.900Z 1.200 19 4 0\na (1) 1\nb (1) 2\n"},
		{"a window too long", WINDOW_1 "# window 2026-11-22T00:07:26.100Z 2.300 19 0 0\n"},
		{"another HZ", WINDOW_1 "# window 2026-11-22T00:07:26.100Z 1.200 99 0 0\n"},
		{"no window line", "a (1) 1\n"},
		{"four numbers", "# window 2026-11-22T00:07:24.900Z 1.200 19 0\n"},
		{"six numbers", "# window 2026-11-22T00:07:24.900Z 1.200 19 0 0 0\n"},
		{"no milliseconds", "# window 2026-11-22T00:07:24Z 1.200 19 0 0\n"},
		{"microseconds", "# window 2026-11-22T00:07:24.123456Z 1.200 19 0 0\n"},
		{"no zone", "# window 2026-11-22T00:07:24.123 1.200 19 0 0\n"},
		{"no such month", "# window 2026-13-22T00:07:24.123Z 1.200 19 0 0\n"},
		{"two decimals", "# window 2026-11-22T00:07:24.900Z 1.20 19 0 0\n"},
		{"negative seconds", "# window 2026-11-22T00:07:24.900Z -1.200 19 0 0\n"},
		{"two blanks", "# window 2026-11-22T00:07:24.900Z  1.200 19 0 0\n"},
		{"wrong folded lines", "# window 2026-11-22T00:07:24.900Z 1.200 19 3 0\nb (1) 1\na (1) 2\n"},
		{"cut off", "# window 2026-11-22T00:07:24.900Z 1.200 19 1 0\na (1) 1"},
	};
	return rows_of(texts, sizeof(texts) / sizeof(*texts));
}

ParameterizedTest(struct row *row, checkers, windows_that_are_wrong_are_refused)
{
	struct windows windows = {0};

	cr_assert_not_null(check_windows(row->text, &windows), "%s was accepted", row->why);
}

Test(checkers, the_list_of_losses_is_compared_word_by_word)
{
	static const char list[] =
#define X(id, effect, reason, sentence) reason "\t" sentence "\n"
		FOR_EACH_LOSS(X);
#undef X
	char longer[sizeof(list) + 10];

	cr_assert_null(check_loss_list(list));
	cr_assert_not_null(check_loss_list(list + 1));
	cr_assert_not_null(check_loss_list(""));
	snprintf(longer, sizeof(longer), "%sx\ty\n", list);
	cr_assert_not_null(check_loss_list(longer));
}

#define STATS(samples, lost, incomplete, python_samples, complete)                                                    \
	STATS_MERGED(samples, lost, incomplete, python_samples, complete, "5, \"complete\": 4, \"fallback\": 1", "3", \
		     "1")

#define STATS_MERGED(samples, lost, incomplete, python_samples, complete, native, verified, unmerged)               \
	"{\"samples\": " samples ", \"lost\": {" lost "}, \"incomplete\": {" incomplete "}, \"python\": "           \
	"{\"samples\": " python_samples ", \"complete\": " complete "}, \"python_versions\": {}, \"seconds\": 1.5," \
	"\"native\": {\"samples\": " native "}, \"merge\": {\"verified\": " verified ", \"counted\": 0, "           \
	"\"unmerged\": " unmerged "},"                                                                              \
	"\"first_sample_s\": 0.1, \"hz\": 99, \"cpus\": 2, \"bpf_ns\": 5, \"bpf_runs\": 7, \"agent_cpu_s\": 0.1, "  \
	"\"ring_bytes\": 1, \"map_bytes\": 1, \"rss_bytes\": 1}"

static const char *check_stats_of(const char *json)
{
	struct folded folded = folded_from("p (1);[truncated: time];f (a.py:3) 2\np (1);f (a.py:3) 3\n");
	const char *problem = check_stats(json, &folded);

	folded_free(&folded);
	return problem;
}

Test(checkers, stats_that_agree_with_the_profile_are_right)
{
	const char *problem = check_stats_of(STATS("5", "\"ring-full\": 3", "\"time\": 2", "5", "3"));

	cr_assert_null(problem, "%s", problem);
}

Test(checkers, stats_that_disagree_are_refused)
{
	cr_assert_not_null(check_stats_of("{}"));
	cr_assert_not_null(check_stats_of("no json"));
	cr_assert_not_null(check_stats_of(STATS("6", "", "\"time\": 2", "5", "3")));
	cr_assert_not_null(check_stats_of(STATS("5", "", "", "5", "3")));
	cr_assert_not_null(check_stats_of(STATS("5", "", "\"time\": 3", "5", "3")));
	cr_assert_not_null(check_stats_of(STATS("5", "\"time\": 1", "\"time\": 2", "5", "3")));
	cr_assert_not_null(check_stats_of(STATS("5", "", "\"time\": 2, \"ring-full\": 1", "5", "3")));
	cr_assert_not_null(check_stats_of(STATS("5", "\"bad-luck\": 1", "\"time\": 2", "5", "3")));
	cr_assert_not_null(check_stats_of(STATS("5", "", "\"time\": 2", "5", "6")));
	cr_assert_not_null(check_stats_of(STATS("5", "", "\"time\": 2", "6", "5")));
}

#define STATS_OF(native, verified, unmerged) \
	check_stats_of(STATS_MERGED("5", "", "\"time\": 2", "4", "3", native, verified, unmerged))

Test(checkers, stats_of_native_stacks_must_add_up)
{
	const char *problem = STATS_OF("5, \"complete\": 5, \"fallback\": 0", "3", "1");

	cr_assert_null(problem, "%s", problem);
	cr_assert_not_null(STATS_OF("6, \"complete\": 5, \"fallback\": 0", "3", "1"));
	cr_assert_not_null(STATS_OF("4, \"complete\": 5, \"fallback\": 0", "3", "1"));
	cr_assert_not_null(STATS_OF("4, \"complete\": 4, \"fallback\": 5", "3", "1"));
	cr_assert_not_null(STATS_OF("4, \"complete\": 4", "3", "1"));
	cr_assert_not_null(STATS_OF("4, \"complete\": -1, \"fallback\": 0", "3", "1"));
	cr_assert_not_null(STATS_OF("5, \"complete\": 5, \"fallback\": 0", "3", "2"));
	cr_assert_not_null(STATS_OF("3, \"complete\": 3, \"fallback\": 0", "4", "0"));
	cr_assert_not_null(STATS_OF("5, \"complete\": 5, \"fallback\": 0", "1.5", "1"));
}

Test(checkers, an_error_is_one_line_of_ours)
{
	cr_assert_null(check_error_line("pyprof-bpf: no such process: 77\n"));
	cr_assert_not_null(check_error_line(""));
	cr_assert_not_null(check_error_line("pyprof-bpf: \n"));
	cr_assert_not_null(check_error_line("pyprof-bpf: no such process: 77"));
	cr_assert_not_null(check_error_line("error: no such process: 77\n"));
	cr_assert_not_null(check_error_line("pyprof-bpf: no such process: 77\nand more\n"));
}

Test(checkers, the_doctor_speaks_in_three_columns)
{
	bool fails = true;

	cr_assert_null(check_doctor("ok\tkernel\t6.1\nwarn\tpmu\tnone: cpu-clock\n", &fails));
	cr_assert_not(fails);
	cr_assert_null(check_doctor("ok\tkernel\t6.1\nfail\trights\tCAP_BPF\n", &fails));
	cr_assert(fails);
	cr_assert_not_null(check_doctor("", &fails));
	cr_assert_not_null(check_doctor("fine\tkernel\t6.1\n", &fails));
	cr_assert_not_null(check_doctor("ok\tkernel\n", &fails));
	cr_assert_not_null(check_doctor("ok\t\t6.1\n", &fails));
	cr_assert_not_null(check_doctor("ok\tkernel\t6.1\t7\n", &fails));
	cr_assert_not_null(check_doctor("ok\tkernel\t6.1", &fails));
}
