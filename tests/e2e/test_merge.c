/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Python and C in the order in which they called each other. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/e2e/check_merge.h"
#include "tests/e2e/harness.h"
#include "tests/e2e/packages.h"

#define HZ 999

E2E_SUITE(merge, 400);

static const char *const native_names[] = {
	[SHOWN_NONE] = "none",
	[SHOWN_EXTENSIONS] = "extensions",
	[SHOWN_ALL] = "all",
	[SHOWN_ALL_LOOSELY] = "all",
};

static struct profile sample(const struct place *place, pid_t pid, enum native_shown shown, double seconds)
{
	struct child *profiler = profiler_run(seconds + 60, "record", "-p", text_of("%d", (int)pid), "-F",
					      text_of("%d", HZ), "-d", text_of("%g", seconds), "--native",
					      native_names[shown], "-o", in_place(place, "out.folded"), "--stats",
					      in_place(place, "stats.json"), NULL);

	cr_assert_eq(profiler->status, 0, "the profiler ended with %d: %s", profiler->status, child_err(profiler));
	return profile_read(place);
}

static struct orders *orders_of(const struct place *place)
{
	struct orders *orders = NULL;
	char *text = file_text(in_place(place, "truth"));

	cr_assert_not_null(text);
	expect_null_problem(orders_parse(text, &orders), "truth");
	return orders;
}

static double percent(u64 part, u64 whole)
{
	return 100.0 * (double)part / (double)(whole ? whole : 1);
}

static struct merge_verdict expect_agreement(const char *what, const struct profile *profile,
					     const struct orders *orders, enum native_shown shown)
{
	struct merge_verdict verdict = check_order(&profile->folded, orders, shown);
	u64 verified = stats_number(profile->stats, "merge", "verified");
	u64 counted = stats_number(profile->stats, "merge", "counted");
	u64 unmerged = stats_number(profile->stats, "merge", "unmerged");

	printf("%s: %llu samples, %.2f %% in order, %.2f %% unmerged, %.2f %% incomplete, %llu impossible; "
	       "%.2f %% verified, %.2f %% counted\n",
	       what, (unsigned long long)verdict.samples, percent(verdict.in_order, verdict.samples),
	       percent(verdict.unmerged, verdict.samples), percent(verdict.incomplete, verdict.samples),
	       (unsigned long long)verdict.impossible, percent(verified, verdict.samples),
	       percent(counted, verdict.samples));
	/* Where no native frame is left to show, Python is all there is. */
	cr_expect_leq(folded_count(&profile->folded, "[unmerged]"), unmerged, "%s: [unmerged] shown, not counted",
		      what);
	cr_expect_eq(stats_lost(profile->stats), 0, "%s: lost %llu", what,
		     (unsigned long long)stats_lost(profile->stats));
	cr_expect_gt(verdict.samples, FEW, "%s", what);
	return verdict;
}

static struct merge_verdict expect_possible(const char *what, const struct profile *profile,
					    const struct orders *orders, enum native_shown shown)
{
	struct merge_verdict verdict = expect_agreement(what, profile, orders, shown);

	cr_expect_eq(verdict.impossible, 0, "%s: %llu of %llu: %s", what, (unsigned long long)verdict.impossible,
		     (unsigned long long)verdict.samples, verdict.first_impossible);
	return verdict;
}

/* Where there are anchors, they place all runs; else the runs' number does, and nothing verifies that. */
static void expect_placed(const char *what, const struct python *python, const struct profile *profile, u64 samples)
{
	u64 verified = stats_number(profile->stats, "merge", "verified");
	u64 counted = stats_number(profile->stats, "merge", "counted");

	if (python_has_anchors(python)) {
		cr_expect(verified * 100 >= samples * 99, "%s: only %llu of %llu verified", what,
			  (unsigned long long)verified, (unsigned long long)samples);
		cr_expect_eq(counted, 0, "%s: %llu counted", what, (unsigned long long)counted);
	} else {
		cr_expect(nearly_all(counted, samples), "%s: only %llu of %llu counted", what,
			  (unsigned long long)counted, (unsigned long long)samples);
		cr_expect_eq(verified, 0, "%s: %llu verified, by what?", what, (unsigned long long)verified);
	}
}

static struct merge_verdict expect_order(const char *what, const struct python *python, const struct profile *profile,
					 const struct orders *orders, enum native_shown shown)
{
	struct merge_verdict verdict = expect_possible(what, profile, orders, shown);
	/* 3.11 and 3.12 point to a run's entry in the chain before that is filled in; such a stack is not believed. */
	u64 needed = python->major == 3 && (python->minor == 11 || python->minor == 12) ? 997 : 999;

	cr_expect(verdict.in_order * 1000 >= verdict.samples * needed || nearly_all(verdict.in_order, verdict.samples),
		  "%s: only %llu of %llu in order; one is %s", what, (unsigned long long)verdict.in_order,
		  (unsigned long long)verdict.samples, verdict.first_incomplete);
	if (shown != SHOWN_NONE)
		expect_placed(what, python, profile, verdict.samples);
	return verdict;
}

ParameterizedTestParameters(merge, python_and_c_are_in_the_order_of_their_calls)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, merge, python_and_c_are_in_the_order_of_their_calls)
{
	struct place place = place_in(python->root);
	struct child *workload = python_start(python, &place, "order.py", text_of("%s/truth", place.inside), NULL);
	child_ready(workload, 60);
	struct orders *orders = orders_of(&place);

	struct profile profile = sample(&place, workload->pid, SHOWN_EXTENSIONS, long_run() ? 30 : 3);
	struct merge_verdict verdict = expect_order(text_of("order, %s", python->name), python, &profile, orders,
						    SHOWN_EXTENSIONS);
	cr_expect(verdict.deep * 5 > verdict.samples, "%s: only %llu of %llu go five times from C to Python",
		  python->name, (unsigned long long)verdict.deep, (unsigned long long)verdict.samples);

	profile = sample(&place, workload->pid, SHOWN_ALL, long_run() ? 30 : 3);
	expect_order(text_of("order, all native frames, %s", python->name), python, &profile, orders, SHOWN_ALL);
	cr_expect_eq(stats_number(profile.stats, "native", "samples"), profile.folded.samples);
	orders_free(orders);
}

Test(merge, without_native_frames_the_order_is_the_same)
{
	struct python python = python_any();
	struct place place = place_in(python.root);
	struct child *workload = python_start(&python, &place, "order.py", text_of("%s/truth", place.inside), NULL);
	child_ready(workload, 60);
	struct orders *orders = orders_of(&place);

	struct profile profile = sample(&place, workload->pid, SHOWN_NONE, 2);
	expect_order(text_of("order, no native frames, %s", python.name), &python, &profile, orders, SHOWN_NONE);
	orders_free(orders);
}

ParameterizedTestParameters(merge, a_stack_with_native_frames_is_never_torn)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, merge, a_stack_with_native_frames_is_never_torn)
{
	struct place place = place_in(python->root);
	struct child *workload = python_start(python, &place, "torn.py", text_of("%s/truth", place.inside), NULL);
	child_ready(workload, 60);
	struct pairs pairs = {0};
	u64 split;
	expect_null_problem(pairs_parse(file_text(in_place(&place, "truth")), &pairs), "truth");

	struct profile profile = sample(&place, workload->pid, SHOWN_ALL, long_run() ? 60 : 3);

	struct folded samples = folded_of_python(&profile.folded, &split);
	struct verdict verdict = check_stacks(&samples, &pairs);
	printf("torn, all native frames, %s: %llu samples, %.3f %% complete, %llu impossible, %llu split\n",
	       python->name, (unsigned long long)verdict.samples, percent(verdict.complete, verdict.samples),
	       (unsigned long long)verdict.impossible, (unsigned long long)split);
	cr_expect_eq(verdict.impossible, 0, "%s: %llu of %llu: %s", python->name,
		     (unsigned long long)verdict.impossible, (unsigned long long)verdict.samples,
		     verdict.first_impossible);
	/* All of torn.py is one run, or else each function stands in an eval loop of its own. */
	cr_expect_eq(split, python_has_runs(python) ? 0 : verdict.samples,
		     "%s: native frames between Python frames in %llu of %llu samples", python->name,
		     (unsigned long long)split, (unsigned long long)verdict.samples);
	cr_expect_eq(stats_lost(profile.stats), 0, "%s: lost %llu", python->name,
		     (unsigned long long)stats_lost(profile.stats));
	cr_expect_eq(folded_count(&samples, "run (*"), verdict.samples, "%s: a sample without hot_a's callers: %s",
		     python->name, verdict.first_incomplete);
	cr_expect(nearly_all(verdict.complete, verdict.samples), "%s: only %llu of %llu complete: %s", python->name,
		  (unsigned long long)verdict.complete, (unsigned long long)verdict.samples, verdict.first_incomplete);
}

/* The newest and those of bullseye, which are counted; in a long run, one of every version. */
static size_t pythons_to_try(struct python *ret)
{
	struct python found[MAX_PYTHONS], newest = python_any();
	size_t cnt = pythons_list(found, MAX_PYTHONS), kept = 0;

	for (size_t i = 0; i < cnt; i++) {
		bool here = false;
		for (size_t j = 0; j < kept; j++)
			here |= ret[j].major == found[i].major && ret[j].minor == found[i].minor;
		if (!here &&
		    (long_run() || !strcmp(found[i].name, newest.name) || !strncmp(found[i].name, "bullseye-", 9)))
			ret[kept++] = found[i];
	}
	return kept;
}

Test(merge, a_signal_handler_in_python_is_under_what_it_interrupted)
{
	struct python pythons[MAX_PYTHONS];
	size_t cnt = pythons_to_try(pythons);

	for (size_t i = 0; i < cnt; i++) {
		struct place place = place_in(pythons[i].root);
		struct child *workload = python_start(&pythons[i], &place, "signals.py",
						      text_of("%s/truth", place.inside), NULL);
		child_ready(workload, 60);
		struct orders *orders = orders_of(&place);

		struct profile profile = sample(&place, workload->pid, SHOWN_ALL, 3);
		expect_order(text_of("signals, %s", pythons[i].name), &pythons[i], &profile, orders, SHOWN_ALL);
		cr_expect_gt(folded_count(&profile.folded, "on_signal (*"), FEW, "%s", pythons[i].name);
		orders_free(orders);
	}
}

/* Samples with a frame of this file, `libz.so`. */
static u64 count_file(const struct folded *folded, const char *file)
{
	u64 count = 0;

	for (size_t i = 0; i < folded->cnt; i++) {
		const struct folded_line *line = &folded->lines[i];
		for (size_t j = 1; j < line->frame_cnt; j++) {
			if (frame_kind_of(line->frames[j]) == FRAME_NATIVE && strstr(line->frames[j], file)) {
				count += line->count;
				break;
			}
		}
	}
	return count;
}

Test(merge, c_code_without_the_gil_is_under_the_function_that_called_it)
{
	struct python pythons[MAX_PYTHONS];
	size_t cnt = pythons_to_try(pythons);

	for (size_t i = 0; i < cnt; i++) {
		struct place place = place_in(pythons[i].root);
		struct child *workload = python_start(&pythons[i], &place, "unlocked.py",
						      text_of("%s/truth", place.inside), NULL);
		child_ready(workload, 60);
		struct orders *orders = orders_of(&place);

		struct profile profile = sample(&place, workload->pid, SHOWN_EXTENSIONS, 3);
		expect_order(text_of("threads without GIL, %s", pythons[i].name), &pythons[i], &profile, orders,
			     SHOWN_EXTENSIONS);
		/* One that was built without OpenSSL has a SHA-256 of its own, which holds the GIL. */
		bool openssl = strstr(file_text(in_place(&place, "truth")), "libcrypto");
		cr_expect_gt(count_file(&profile.folded, "(libz.so"), FEW, "%s", pythons[i].name);
		cr_expect(!openssl || count_file(&profile.folded, "(libcrypto.so") > FEW, "%s", pythons[i].name);
		orders_free(orders);
	}
}

/* With one more variable in its environment. */
static struct child *workload_start(const struct python *python, const struct place *place, const char *script,
				    const char *variable)
{
	struct start how = {.root = python->root,
			    .directory = place->inside,
			    .environment = {"LC_ALL=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1", variable}};
	struct child *workload = child_start(&how,
					     (const char *[]){python->path, text_of("%s/%s", place->inside, script),
							      text_of("%s/truth", place->inside), NULL});

	child_ready(workload, 60);
	return workload;
}

Test(merge, perf_trampolines_are_native_frames_between_python_frames)
{
	struct python pythons[MAX_PYTHONS];
	size_t cnt = pythons_to_try(pythons);

	for (size_t i = 0; i < cnt; i++) {
		if (!python_is_since(&pythons[i], 3, 12))
			continue;
		struct place place = place_in(pythons[i].root);
		struct child *workload = workload_start(&pythons[i], &place, "order.py", "PYTHONPERFSUPPORT=1");
		struct orders *orders = orders_of(&place);

		struct profile profile = sample(&place, workload->pid, SHOWN_ALL_LOOSELY, 3);
		unlink(text_of("%s/tmp/perf-%d.map", pythons[i].root, (int)workload->pid));
		const char *what = text_of("order, -X perf, %s", pythons[i].name);
		struct merge_verdict verdict = expect_possible(what, &profile, orders, SHOWN_ALL_LOOSELY);
		/* A CPython that was built without frame pointers has none in its trampolines either. */
		u64 cut = folded_count(&profile.folded, "[truncated: frame-pointer]");
		cr_expect((verdict.in_order + cut) * 100 >= verdict.samples * 99, "%s: only %llu of %llu; one is %s",
			  what, (unsigned long long)verdict.in_order, (unsigned long long)verdict.samples,
			  verdict.first_incomplete);
		u64 complete = stats_number(profile.stats, "python", "complete");
		cr_expect(complete * 100 >= verdict.samples * 99, "%s: only %llu of %llu Python stacks", what,
			  (unsigned long long)complete, (unsigned long long)verdict.samples);
		cr_expect(folded_count(&profile.folded, "py::*") * 2 > verdict.samples, "%s: no trampolines", what);
		orders_free(orders);
	}
}

static bool has_jit(const struct python *python)
{
	struct start how = {.root = python->root, .environment = {"PYTHON_JIT=1"}};
	struct child *child = child_start(
		&how, (const char *[]){python->path, "-c", "import sys; sys.exit(not sys._jit.is_enabled())", NULL});

	return !child_wait(child, 20);
}

Test(merge, under_a_jit_the_order_is_true_or_said_to_be_unknown)
{
	struct python pythons[MAX_PYTHONS];
	size_t cnt = pythons_to_try(pythons), tested = 0;

	for (size_t i = 0; i < cnt; i++) {
		if (!python_is_since(&pythons[i], 3, 14) || !has_jit(&pythons[i]))
			continue;
		struct place place = place_in(pythons[i].root);
		struct child *workload = workload_start(&pythons[i], &place, "order.py", "PYTHON_JIT=1");
		struct orders *orders = orders_of(&place);

		struct profile profile = sample(&place, workload->pid, SHOWN_ALL_LOOSELY, 3);
		expect_possible(text_of("order, JIT, %s", pythons[i].name), &profile, orders, SHOWN_ALL_LOOSELY);
		orders_free(orders);
		tested++;
	}
	if (!tested)
		cr_skip_test("no CPython with a JIT is here");
}

Test(merge, a_greenlet_has_its_own_frames_alone)
{
	struct python found[MAX_PYTHONS];
	size_t cnt = pythons_list(found, MAX_PYTHONS), tested = 0;

	for (size_t i = 0; long_run() && i < cnt; i++) {
		struct place place = place_in("/");
		const char *packages = packages_install(&found[i], &place, "greenlet");
		if (!packages)
			continue;
		struct child *workload = workload_start(&found[i], &place, "greenlets.py",
							text_of("PYTHONPATH=%s", packages));
		struct orders *orders = orders_of(&place);

		for (enum native_shown shown = SHOWN_NONE; shown <= SHOWN_ALL; shown++) {
			struct profile profile = sample(&place, workload->pid, shown, 10);
			const char *what = text_of("greenlets, %s native frames, %s", native_names[shown],
						   found[i].name);
			struct merge_verdict verdict = expect_agreement(what, &profile, orders, shown);
			/*
			 * While it switches, the C stack is another greenlet's than the Python frames, and greenlet
			 * takes out of their chain what tells runs apart (expose_frames).
			 */
			cr_expect(verdict.impossible * 500 <= verdict.samples, "%s: %llu of %llu: %s", what,
				  (unsigned long long)verdict.impossible, (unsigned long long)verdict.samples,
				  verdict.first_impossible);
			cr_expect(verdict.in_order * 100 >= verdict.samples * 90, "%s: only %llu of %llu", what,
				  (unsigned long long)verdict.in_order, (unsigned long long)verdict.samples);
			cr_expect(shown != SHOWN_ALL || folded_count(&profile.folded, "[greenlet]"), "%s", what);
		}
		orders_free(orders);
		tested++;
	}
	if (!tested)
		cr_skip_test("a long run only, with pip and a mirror of PyPI");
}
