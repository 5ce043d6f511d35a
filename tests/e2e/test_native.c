/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is not Python: native frames, kernel frames, and whose they are. */
#include <stdio.h>
#include <string.h>

#include "tests/e2e/harness.h"

#define HZ 999

E2E_SUITE(native, 60);

/* Samples whose frames hold these neighbours, in this order. */
static u64 count_chain(const struct folded *folded, const char *const *chain, size_t cnt)
{
	u64 count = 0;

	for (size_t i = 0; i < folded->cnt; i++) {
		const struct folded_line *line = &folded->lines[i];
		size_t at = 0;
		while (at < line->frame_cnt && strcmp(line->frames[at], chain[0]))
			at++;
		size_t same = 0;
		while (same < cnt && at + same < line->frame_cnt && !strcmp(line->frames[at + same], chain[same]))
			same++;
		if (same == cnt)
			count += line->count;
	}
	return count;
}

static void expect_whole(const char *program)
{
	const char *const chain[] = {text_of("main (%s)", program), text_of("outer (%s)", program),
				     text_of("middle (%s)", program), text_of("leaf (%s)", program)};
	struct place place = place_in("/");
	struct child *workload = native_start(&place, program, NULL);
	child_ready(workload, 10);

	struct profile profile = profile_pid(&place, workload->pid, HZ, 3, false);
	const struct folded *folded = &profile.folded;

	u64 whole = count_chain(folded, chain, 4);
	u64 start = folded_count(folded, text_of("_start (%s)", program));
	cr_assert_gt(folded->samples, FEW);
	cr_expect(whole * 100 >= folded->samples * 99, "%s: %llu of %llu show the chain; one: %s", program,
		  (unsigned long long)whole, (unsigned long long)folded->samples,
		  file_text(in_place(&place, "out.folded")));
	cr_expect(start * 100 >= folded->samples * 99, "%s: %llu of %llu reach the start", program,
		  (unsigned long long)start, (unsigned long long)folded->samples);
	cr_expect_eq(stats_number(profile.stats, "python", "samples"), 0);
}

Test(native, frame_pointers_or_none_a_stack_leads_from_the_start_to_the_leaf)
{
	expect_whole("native-fp");
	expect_whole("native-nofp");
}

Test(native, a_process_goes_by_its_leaders_name_and_a_thread_by_its_own)
{
	struct place place = place_in("/");
	struct child *workload = native_start(&place, "native-fp", "a;b c", "worker\t7", NULL);
	child_ready(workload, 10);

	struct child *profiler = profiler_run(30, "-p", text_of("%d", workload->pid), "-F", "999", "-d", "2",
					      "--threads", "-o", in_place(&place, "out.folded"), "--stats",
					      in_place(&place, "stats.json"), NULL);
	cr_assert_eq(profiler->status, 0, "%s", child_err(profiler));
	const char *text = file_text(in_place(&place, "out.folded"));

	cr_expect_not_null(strstr(text, text_of("a:b c (%d);a:b c (%d);", workload->pid, workload->pid)), "%s", text);
	cr_expect_not_null(strstr(text, text_of("a:b c (%d);worker?7 (", workload->pid)), "%s", text);
	cr_expect_not_null(strstr(text, "in_thread (native-fp);outer (native-fp);middle (native-fp);leaf (native-fp)"));
	cr_expect_null(strstr(text, "native-fp ("));
}

Test(native, kernel_frames_are_shown_and_can_be_left_out)
{
	struct place place = place_in("/");
	struct child *workload = native_start(&place, "syscalls", NULL);
	child_ready(workload, 10);

	struct profile profile = profile_pid(&place, workload->pid, HZ, 2, false);
	u64 in_kernel = 0;
	cr_assert_gt(profile.folded.samples, FEW);
	for (size_t i = 0; i < profile.folded.cnt; i++) {
		const struct folded_line *line = &profile.folded.lines[i];
		if (frame_kind_of(line->frames[line->frame_cnt - 1]) == FRAME_KERNEL)
			in_kernel += line->count;
	}
	cr_expect(in_kernel * 100 >= profile.folded.samples * 95, "%llu of %llu in the kernel",
		  (unsigned long long)in_kernel, (unsigned long long)profile.folded.samples);
	u64 read = folded_count(&profile.folded, "vfs_read_[k]");
	cr_expect(read * 100 >= profile.folded.samples * 95, "%llu of %llu below vfs_read", (unsigned long long)read,
		  (unsigned long long)profile.folded.samples);

	struct child *profiler = profiler_run(30, "-p", text_of("%d", workload->pid), "-F", "999", "-d", "2",
					      "--no-kernel", "-o", in_place(&place, "out.folded"), "--stats",
					      in_place(&place, "stats.json"), NULL);
	cr_assert_eq(profiler->status, 0, "%s", child_err(profiler));
	profile = profile_read(&place);
	cr_assert_gt(profile.folded.samples, FEW);
	for (size_t i = 0; i < profile.folded.cnt; i++)
		for (size_t j = 1; j < profile.folded.lines[i].frame_cnt; j++)
			cr_expect_neq(frame_kind_of(profile.folded.lines[i].frames[j]), FRAME_KERNEL, "%s",
				      profile.folded.lines[i].frames[j]);
}

Test(native, the_whole_machine_is_sampled_and_idle_does_not_count)
{
	struct place place = place_in("/");
	struct python python = python_any();
	struct place python_place = place_in(python.root);
	struct child *native = native_start(&place, "native-fp", NULL);
	struct child *scripted = python_start(&python, &python_place, "shares.py", "totals", NULL);
	child_ready(native, 10);
	child_ready(scripted, 20);

	struct child *profiler = profiler_run(30, "--all", "-F", "999", "-d", "3", "-o", in_place(&place, "out.folded"),
					      "--stats", in_place(&place, "stats.json"), NULL);
	cr_assert_eq(profiler->status, 0, "%s", child_err(profiler));
	struct profile profile = profile_read(&place);

	cr_expect_gt(folded_of_pid(&profile.folded, native->pid).samples, FEW);
	cr_expect_gt(folded_of_pid(&profile.folded, scripted->pid).samples, FEW);
	for (size_t i = 0; i < profile.folded.cnt; i++)
		cr_expect_neq(strncmp(profile.folded.lines[i].frames[0], "swapper", 7), 0);
	cr_expect_eq(stats_number(profile.stats, "hz", NULL), 999);
}

Test(native, an_idle_process_has_an_empty_profile)
{
	struct place place = place_in("/");
	struct child *workload = child_start(NULL, (const char *[]){"sleep", "100", NULL});

	sleep_s(0.2);
	struct profile profile = profile_pid(&place, workload->pid, 99, 1, false);
	cr_expect_eq(profile.folded.samples, 0);
}
