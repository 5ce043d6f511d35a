/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "profile/profile.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/strbuf.h"

static struct profile_tables tables;
static struct profile *profile;

static const struct view plain = {.lines = true, .pids = true};

static void set_up(void)
{
	cr_assert_eq(profile_tables_new(&tables), 0);
	cr_assert_eq(profile_new(&tables, &profile), 0);
}

static void tear_down(void)
{
	profile_free(profile);
	profile_tables_free(&tables);
}

static u32 string(const char *text)
{
	u32 id = ~0u;

	cr_assert_eq(string_table_intern(tables.strings, text, &id), 0);
	return id;
}

static u32 origin(u32 pid, u32 tid, const char *comm)
{
	struct origin key = {.pid = pid, .tid = tid, .comm = string(comm), .thread_comm = tid ? string("worker") : 0};
	u32 id = ~0u;

	cr_assert_eq(profile_origin(profile, &key, &id), 0);
	return id;
}

TestSuite(profile, .init = set_up, .fini = tear_down);
TestSuite(view, .init = set_up, .fini = tear_down);

Test(profile, samples_of_one_origin_and_stack_add_up)
{
	u32 app = origin(10, 0, "app");

	cr_assert_eq(profile_add(profile, app, 3, 1), 0);
	cr_assert_eq(profile_add(profile, app, 4, 1), 0);
	cr_assert_eq(profile_add(profile, app, 3, 5), 0);
	cr_assert_eq(profile_cnt(profile), 2);
	cr_assert_eq(profile_samples(profile), 7);
	cr_assert_eq(profile_at(profile, 0)->stack, 3);
	cr_assert_eq(profile_at(profile, 0)->samples, 6);
	cr_assert_eq(profile_at(profile, 0)->origin, app);
}

Test(profile, what_another_has_counted_is_added_by_origin_and_stack)
{
	struct profile *window;

	cr_assert_eq(profile_new(&tables, &window), 0);
	u32 app = origin(10, 0, "app");
	cr_assert_eq(profile_add(profile, app, 3, 2), 0);

	/* There its id is another. */
	u32 other, same;
	cr_assert_eq(profile_origin(window, &(struct origin){.pid = 11, .comm = string("other")}, &other), 0);
	cr_assert_eq(profile_origin(window, &(struct origin){.pid = 10, .comm = string("app")}, &same), 0);
	cr_assert_neq(same, app);
	cr_assert_eq(profile_add(window, same, 3, 5), 0);
	cr_assert_eq(profile_add(window, other, 3, 1), 0);

	u64 lost = 1;
	cr_assert_eq(profile_merge(profile, window, &lost), 0);
	cr_assert_eq(lost, 0);
	cr_assert_eq(profile_samples(profile), 8);
	cr_assert_eq(profile_cnt(profile), 2);
	cr_assert_eq(profile_at(profile, 0)->samples, 7);
	cr_assert_eq(profile_origin_at(profile, profile_at(profile, 1)->origin)->pid, 11);
	profile_free(window);
}

Test(profile, what_another_has_and_there_is_no_room_for_is_told_and_the_rest_is_added)
{
	struct profile *window;
	u32 id, room = 0;
	u64 lost;

	cr_assert_eq(profile_new(&tables, &window), 0);
	u32 known = origin(10, 0, "app");
	while (!profile_origin(profile, &(struct origin){.pid = 100, .tid = room}, &id))
		room++;
	cr_assert_gt(room, 1000000);

	cr_assert_eq(profile_origin(window, &(struct origin){.pid = 101}, &id), 0);
	cr_assert_eq(profile_add(window, id, 3, 4), 0);
	cr_assert_eq(profile_origin(window, profile_origin_at(profile, known), &id), 0);
	cr_assert_eq(profile_add(window, id, 3, 5), 0);
	cr_assert_eq(profile_merge(profile, window, &lost), 0);
	cr_assert_eq(lost, 4);
	cr_assert_eq(profile_samples(profile), 5);
	profile_free(window);
}

Test(profile, each_part_of_an_origin_tells_it_apart)
{
	u32 app = origin(10, 0, "app");

	cr_assert_eq(origin(10, 0, "app"), app);
	cr_assert_neq(origin(11, 0, "app"), app);
	cr_assert_neq(origin(10, 12, "app"), app);
	cr_assert_neq(origin(10, 0, "exec"), app);
	cr_assert_eq(profile_origin_at(profile, app)->pid, 10);

	/* Members that the text above has no place for. */
	struct origin more[] = {{.pid = 10, .comm = string("app"), .exe = string("/bin/app")},
				{.pid = 10, .comm = string("app"), .command_line = string("/bin/app")},
				{.pid = 10, .comm = string("app"), .environment = string("/bin/app")},
				{.pid = 10, .comm = string("app"), .labels = 1}};
	u32 ids[4];
	for (int i = 0; i < 4; i++) {
		cr_assert_eq(profile_origin(profile, &more[i], &ids[i]), 0);
		cr_assert_neq(ids[i], app);
		for (int j = 0; j < i; j++)
			cr_assert_neq(ids[i], ids[j]);
	}
}

Test(profile, clearing_forgets_counts_and_keeps_origins)
{
	u32 app = origin(10, 0, "app");

	profile_add(profile, app, 3, 9);
	profile_clear(profile);
	cr_assert_eq(profile_cnt(profile), 0);
	cr_assert_eq(profile_samples(profile), 0);
	cr_assert_eq(origin(10, 0, "app"), app);
	profile_add(profile, app, 3, 2);
	cr_assert_eq(profile_at(profile, 0)->samples, 2);
}

Test(profile, a_hundred_thousand_entries_are_all_found_again)
{
	for (int round = 0; round < 2; round++)
		for (u32 i = 0; i < 100000; i++)
			cr_assert_eq(profile_add(profile, i % 7, i, 1), 0);
	cr_assert_eq(profile_cnt(profile), 100000);
	cr_assert_eq(profile_samples(profile), 200000);
}

static const char *frame_text(struct frame frame, struct view view)
{
	static char text[256];
	STRBUF(b);

	frame.named = true;
	frame_put(&tables, &frame, &view, &b);
	snprintf(text, sizeof(text), "%s", b.at);
	return text;
}

Test(view, a_python_frame_says_function_file_and_line)
{
	const struct frame frame = {
		.kind = FRAME_PYTHON, .function = string("A.run"), .file = string("/srv/a.py"), .line = 12};

	cr_assert_str_eq(frame_text(frame, plain), "A.run (/srv/a.py:12)");
	cr_assert_str_eq(frame_text(frame, (struct view){.lines = false}), "A.run (/srv/a.py)");
}

Test(view, a_line_that_is_not_known_is_a_question_mark)
{
	cr_assert_str_eq(
		frame_text((struct frame){.kind = FRAME_PYTHON, .function = string("f"), .file = string("a.py")},
			   plain),
		"f (a.py:?)");
}

Test(view, native_kernel_and_bracketed_frames_read_as_the_contract_says)
{
	cr_assert_str_eq(frame_text((struct frame){.kind = FRAME_NATIVE,
						   .function = string("inflate"),
						   .file = string("libz.so.1")},
				    plain),
			 "inflate (libz.so.1)");
	cr_assert_str_eq(frame_text((struct frame){.kind = FRAME_KERNEL, .function = string("vfs_read")}, plain),
			 "vfs_read_[k]");
	cr_assert_str_eq(frame_text((struct frame){.kind = FRAME_LOSS, .loss = LOSS_CODE_GONE}, plain),
			 "[unknown: code-gone]");
	cr_assert_str_eq(frame_text((struct frame){.kind = FRAME_LOSS, .loss = LOSS_PYTHON_DEPTH}, plain),
			 "[truncated: python-depth]");
	cr_assert_str_eq(frame_text((struct frame){.kind = FRAME_MARK, .mark = MARK_UNMERGED}, plain), "[unmerged]");
	cr_assert_str_eq(frame_text((struct frame){.kind = FRAME_MARK, .mark = MARK_GREENLET}, plain), "[greenlet]");
}

Test(view, origins_read_as_the_contract_says)
{
	STRBUF(b);
	const struct origin *at = profile_origin_at(profile, origin(10, 12, "my app"));

	origin_put_process(profile, at, &plain, &b);
	strbuf_put_char(&b, '|');
	origin_put_thread(profile, at, &b);
	strbuf_put_char(&b, '|');
	origin_put_process(profile, at, &(struct view){.pids = false}, &b);
	cr_assert_str_eq(b.at, "my app (10)|worker (12)|my app");
}

Test(truth, what_is_lost_is_the_sum_of_all_reasons)
{
	struct truth truth = {.lost = {[LOSS_RING_FULL] = 10, [LOSS_NOT_TAKEN] = 2}};

	cr_assert_eq(truth_lost(&truth), 12);
}

Test(truth, cost_per_sample_counts_the_agent_and_the_kernel_side)
{
	struct truth truth = {.samples = 1000, .agent_cpu_s = 0.003, .bpf_ns = 1000000};

	cr_assert_float_eq(truth_us_per_sample(&truth), 4.0, 1e-9);
	truth.samples = 0;
	cr_assert_float_eq(truth_us_per_sample(&truth), 0, 1e-9);
}

Test(truth, words_say_what_is_missing_and_never_round_up_to_all)
{
	struct truth truth = {.samples = 1000000,
			      .seconds = 10,
			      .hz = 99,
			      .cpus = 2,
			      .incomplete = {[LOSS_CODE_GONE] = 1},
			      .lost = {[LOSS_RING_FULL] = 3},
			      .python_processes = 1,
			      .python_samples = 500,
			      .python_complete = 499,
			      .native = {.samples = 900000, .complete = 899999, .fallback = 7},
			      .merge = {.verified = 497, .unmerged = 3},
			      .versions = {{"3.13.5", 1}}};
	STRBUF(b);

	truth_put_words(&truth, &b);
	cr_assert(strstr(b.at, "99.99 % have their whole stack; the others say what is missing: 1 code-gone"), "%s",
		  b.at);
	cr_assert(strstr(b.at, "Lost: 3 samples are not in the profile: 3 ring-full"), "%s", b.at);
	cr_assert(strstr(b.at, "99.80 % of them complete; CPython 3.13.5 (1 process)"), "%s", b.at);
	cr_assert(strstr(b.at, "900000 samples with a native stack, 99.99 % of them to its first frame "
			       "(7 by libunwind); Python has its place in 99.40 %."),
		  "%s", b.at);
	cr_assert_neq(b.at[b.size - 1], '\n');
}

Test(truth, words_of_an_empty_profile_claim_nothing)
{
	struct truth truth = {0};
	STRBUF(b);

	truth_put_words(&truth, &b);
	cr_assert(strstr(b.at, "0 samples"), "%s", b.at);
	cr_assert(strstr(b.at, "Lost: nothing"), "%s", b.at);
	cr_assert_not(strstr(b.at, "%"), "%s", b.at);
	cr_assert_not(strstr(b.at, "nan"), "%s", b.at);
	cr_assert_not(strstr(b.at, "inf"), "%s", b.at);
}
