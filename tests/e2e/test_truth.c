/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The main promise: whole stacks, right names and lines, of nearly every sample. */
#include <stdio.h>
#include <unistd.h>

#include "tests/e2e/harness.h"

#define HZ	       999
#define STACKS_THREADS 5 /* of stacks.py: no more CPUs at once */

E2E_SUITE(truth, 300);

static struct pairs truth_of(const struct place *place)
{
	struct pairs pairs = {0};
	char *text = file_text(in_place(place, "truth"));

	cr_assert_not_null(text);
	expect_null_problem(pairs_parse(text, &pairs), "truth");
	return pairs;
}

static void expect_true(const char *what, const struct verdict *verdict)
{
	printf("%s: %llu samples, %.3f %% complete, %llu impossible\n", what, (unsigned long long)verdict->samples,
	       100.0 * (double)verdict->complete / (double)(verdict->samples ? verdict->samples : 1),
	       (unsigned long long)verdict->impossible);
	cr_expect_eq(verdict->impossible, 0, "%s: %llu of %llu samples: %s", what,
		     (unsigned long long)verdict->impossible, (unsigned long long)verdict->samples,
		     verdict->first_impossible);
	cr_expect(nearly_all(verdict->complete, verdict->samples), "%s: only %llu of %llu complete: %s", what,
		  (unsigned long long)verdict->complete, (unsigned long long)verdict->samples,
		  verdict->first_incomplete);
}

ParameterizedTestParameters(truth, stacks_and_lines_are_what_python_says)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, truth, stacks_and_lines_are_what_python_says)
{
	double seconds = sampling_seconds(python, 30);
	struct place place = place_in(python->root);
	struct child *workload = python_start(python, &place, "stacks.py", text_of("%s/truth", place.inside), NULL);
	child_ready(workload, 60);
	struct pairs pairs = truth_of(&place);

	double cpu_before = child_cpu_s(workload), start = now_s();
	struct profile profile = profile_pid(&place, workload->pid, HZ, seconds, false);
	double cpu = child_cpu_s(workload) - cpu_before, elapsed = now_s() - start;
	double cpus = (double)sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus > STACKS_THREADS)
		cpus = STACKS_THREADS;

	struct folded samples = folded_of_pid(&profile.folded, workload->pid);
	struct verdict verdict = check_stacks(&samples, &pairs);
	expect_true(text_of("truth, %s", python->name), &verdict);
	/*
	 * What it used while it was sampled lies between all that it used since before the profiler began, and
	 * that without what it can have used while it was not sampled, on a busy machine for seconds.
	 */
	double least = (cpu - cpus * (elapsed - seconds)) * HZ, most = cpu * HZ;
	/* The CPU that it uses while the profiler starts weighs too much in a shorter run. */
	cr_expect(seconds < 10 || ((double)(verdict.samples + stats_lost(profile.stats)) > 0.9 * least &&
				   (double)verdict.samples < 1.1 * most),
		  "%s: %llu samples where its CPU time makes %.0f to %.0f", python->name,
		  (unsigned long long)verdict.samples, least, most);
	cr_expect(!long_run() || verdict.samples >= 20000, "%s: %llu are no 20,000", python->name,
		  (unsigned long long)verdict.samples);
	cr_expect_eq(samples.samples, profile.folded.samples, "-p shows other processes too");

	u64 python_samples = stats_number(profile.stats, "python", "samples");
	u64 complete = stats_number(profile.stats, "python", "complete");
	cr_expect_eq(python_samples, verdict.samples, "%s: every thread has a PyThreadState", python->name);
	/* A native stack that was cut inside of the Python frames shows in the profile as well. */
	u64 cut = stats_number(profile.stats, "native", "samples") - stats_number(profile.stats, "native", "complete");
	cr_expect(complete >= verdict.complete && complete - verdict.complete <= cut,
		  "%s: %llu complete in the stats, %llu in the profile: %s", python->name, (unsigned long long)complete,
		  (unsigned long long)verdict.complete, verdict.first_incomplete);
}

ParameterizedTestParameters(truth, a_stack_is_never_torn)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, truth, a_stack_is_never_torn)
{
	struct place place = place_in(python->root);
	struct child *workload = python_start(python, &place, "torn.py", text_of("%s/truth", place.inside), NULL);
	child_ready(workload, 60);
	struct pairs pairs = truth_of(&place);

	struct profile profile = profile_pid(&place, workload->pid, HZ, sampling_seconds(python, 60), false);

	struct verdict verdict = check_stacks(&profile.folded, &pairs);
	expect_true(text_of("torn, %s", python->name), &verdict);
	cr_expect_eq(stats_lost(profile.stats), 0, "%s: lost %llu", python->name,
		     (unsigned long long)stats_lost(profile.stats));
	cr_expect_eq(folded_count(&profile.folded, "run (*"), verdict.samples,
		     "%s: a sample without hot_a, hot_b and their callers: %s", python->name, verdict.first_incomplete);
}

ParameterizedTestParameters(truth, a_code_object_never_has_the_name_of_another)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, truth, a_code_object_never_has_the_name_of_another)
{
	struct place place = place_in(python->root);
	struct child *workload = python_start(python, &place, "reuse.py", NULL);
	child_ready(workload, 30);

	struct profile profile = profile_pid(&place, workload->pid, HZ, sampling_seconds(python, 30), false);

	struct verdict verdict = check_reuse(&profile.folded);
	printf("reuse, %s: %llu samples, %.1f %% named, %llu wrong\n", python->name,
	       (unsigned long long)verdict.samples, 100.0 * (double)verdict.named / (double)(verdict.samples + 1),
	       (unsigned long long)verdict.impossible);
	cr_expect(verdict.samples > FEW, "%s: only %llu samples", python->name, (unsigned long long)verdict.samples);
	cr_expect_eq(verdict.impossible, 0, "%s: %llu of %llu: %s", python->name,
		     (unsigned long long)verdict.impossible, (unsigned long long)verdict.samples,
		     verdict.first_impossible);
	cr_expect(verdict.named * 2 >= verdict.samples, "%s: only %llu of %llu named: %s", python->name,
		  (unsigned long long)verdict.named, (unsigned long long)verdict.samples, verdict.first_incomplete);
}

ParameterizedTestParameters(truth, what_is_too_deep_says_so)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, truth, what_is_too_deep_says_so)
{
	struct place place = place_in(python->root);
	struct child *workload = python_start(python, &place, "deep.py", NULL);
	child_ready(workload, 30);

	struct profile profile = profile_pid(&place, workload->pid, HZ, 2, false);

	cr_assert_gt(profile.folded.samples, FEW);
	for (size_t i = 0; i < profile.folded.cnt; i++) {
		const struct folded_line *line = &profile.folded.lines[i];
		size_t deep = 0;
		cr_assert_str_eq(line->frames[1], "[truncated: python-depth]", "%s: the outer end is '%s'",
				 python->name, line->frames[1]);
		for (size_t j = 2; j < line->frame_cnt; j++)
			deep += frame_kind_of(line->frames[j]) == FRAME_PYTHON;
		cr_assert_eq(deep, 512, "%s: %zu frames", python->name, deep);
	}
	cr_expect_eq(folded_count(&profile.folded, "deep (*"), profile.folded.samples);
	cr_expect_eq(stats_number(profile.stats, "python", "complete"), 0);
}
