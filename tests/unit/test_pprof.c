/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is written is read back by decode_pprof.c, which knows nothing of what writes it. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/strbuf.h"
#include "build_profile.h"
#include "decode_pprof.h"
#include "folded_lines.h"
#include "format/format.h"
#include "format/reader.h"
#include "profile/common_labels.h"

static const struct view all = {.lines = true, .pids = true, .threads = true};

static struct decoded_pprof *written(const struct built_profile *built, struct view view)
{
	char *bytes = NULL;
	size_t size;
	FILE *out = open_memstream(&bytes, &size);

	cr_assert_eq(pprof_write(built->profile, &built->truth, &view, out), 0);
	fclose(out);
	struct decoded_pprof *pprof = pprof_decode(bytes, size);
	free(bytes);
	return pprof;
}

#define WRITTEN(name, built, view) \
	__attribute__((cleanup(free_decoded))) struct decoded_pprof *name = written(built, view)

static void free_decoded(struct decoded_pprof **pprof)
{
	decoded_free(*pprof);
}

static const char *text_at(const struct decoded_pprof *pprof, u64 string)
{
	return pprof->strings[string];
}

static const struct decoded_function *function_named(const struct decoded_pprof *pprof, const char *name)
{
	for (size_t i = 0; i < pprof->function_cnt; i++)
		if (!strcmp(text_at(pprof, pprof->functions[i].name), name))
			return &pprof->functions[i];
	return NULL;
}

/* NULL: the sample has no such label. */
static const struct decoded_label *label_named(const struct decoded_pprof *pprof, size_t sample, const char *name)
{
	const struct decoded_sample *at = pprof->samples[sample];

	for (size_t i = 0; i < at->label_cnt; i++)
		if (!strcmp(text_at(pprof, at->labels[i].key), name))
			return &at->labels[i];
	return NULL;
}

static void expect_same_as_folded(const char *input, struct view view)
{
	BUILT_PROFILE(built, input);
	WRITTEN(pprof, &built, view);
	char *folded = NULL;
	size_t size;
	FILE *out = open_memstream(&folded, &size);

	cr_assert_eq(folded_write(built.profile, &built.truth, &view, out), 0);
	fclose(out);
	char *expected = folded_lines_sort(folded), *text = decoded_folded(pprof);
	cr_expect_str_eq(text, expected);
	free(folded);
	free(expected);
	free(text);
}

Test(pprof, says_what_the_folded_output_says)
{
	const char *input = "python3 (10);@main (10);<module> (a.py:1);f (a.py:3);deflate (libz.so.1);vfs_read_[k] 4\n"
			    "python3 (10);@pool (12);f (a.py:3);[unknown: code-gone] 2\n"
			    "python3 (10);@pool (12);main (libc.so.6);[unmerged];g (b.py:?) 3\n"
			    "sshd (20);0x1000 (sshd) 5\n"
			    "idle (30) 1\n";

	expect_same_as_folded(input, all);
	expect_same_as_folded(input, (struct view){.lines = true, .pids = true});
	expect_same_as_folded(input, (struct view){.lines = true});
}

Test(pprof, an_empty_profile_is_a_valid_one)
{
	BUILT_PROFILE(built, "");
	WRITTEN(pprof, &built, all);

	cr_assert_eq(pprof->sample_cnt, 0);
	cr_assert_str_eq(text_at(pprof, pprof->types[0]), "samples");
}

Test(pprof, samples_are_counted_and_timed)
{
	BUILT_PROFILE(built, "a (1);f (x.py:1) 3\n");

	built.truth.hz = 99;
	built.truth.seconds = 2.5;
	built.truth.start_realtime_ns = 1795306044123000000;
	WRITTEN(pprof, &built, all);
	cr_assert_eq(pprof->type_cnt, 2);
	cr_assert_str_eq(text_at(pprof, pprof->types[0]), "samples");
	cr_assert_str_eq(text_at(pprof, pprof->units[0]), "count");
	cr_assert_str_eq(text_at(pprof, pprof->types[1]), "cpu");
	cr_assert_str_eq(text_at(pprof, pprof->units[1]), "nanoseconds");
	cr_assert_str_eq(text_at(pprof, pprof->period_type), "cpu");
	cr_assert_str_eq(text_at(pprof, pprof->period_unit), "nanoseconds");
	cr_assert_eq(pprof->default_type, pprof->types[1]);
	cr_assert_eq(pprof->period, 10101010);
	cr_assert_eq(pprof->samples[0]->values[0], 3);
	cr_assert_eq(pprof->samples[0]->values[1], 30303030);
	cr_assert_eq(pprof->time_ns, 1795306044123000000);
	cr_assert_eq(pprof->duration_ns, 2500000000);
}

Test(pprof, without_a_frequency_there_is_no_cpu_time)
{
	BUILT_PROFILE(built, "a (1);f (x.py:1) 3\n");
	WRITTEN(pprof, &built, all);

	cr_assert_eq(pprof->type_cnt, 1);
	cr_assert_eq(pprof->period, 0);
	cr_assert_eq(pprof->default_type, pprof->types[0]);
}

Test(pprof, the_first_mapping_is_ours_and_the_others_tell_kinds_of_frames)
{
	BUILT_PROFILE(built, "a (1);f (x.py:1);g (libz.so.1);h_[k] 1\na (1);[unknown: code-gone] 1\n");
	WRITTEN(pprof, &built, all);

	cr_assert_eq(pprof->mapping_cnt, 4);
	cr_assert_str_eq(text_at(pprof, pprof->mappings[0].filename), "[pyprof-bpf]");
	cr_assert_str_eq(text_at(pprof, pprof->mappings[1].filename), "[python]");
	cr_assert_str_eq(text_at(pprof, pprof->mappings[2].filename), "libz.so.1");
	cr_assert_str_eq(text_at(pprof, pprof->mappings[3].filename), "[kernel.kallsyms]");
	/* Or pprof looks for the files and names everything anew. */
	for (size_t i = 0; i < pprof->mapping_cnt; i++)
		cr_assert(pprof->mappings[i].has_functions);
}

Test(pprof, python_functions_have_their_files_and_lines)
{
	BUILT_PROFILE(built, "a (1);<module> (x.py:1);f.<locals>.<lambda> (dir/y.py:7) 1\n");
	WRITTEN(pprof, &built, all);
	const struct decoded_function *lambda = function_named(pprof, "f.<locals>.<lambda>");

	cr_assert(lambda && function_named(pprof, "<module>"));
	cr_assert_str_eq(text_at(pprof, lambda->filename), "dir/y.py");
	cr_assert_eq(pprof->locations[1].line, 7);
}

Test(pprof, lines_of_one_function_are_places_of_one_function)
{
	BUILT_PROFILE(built, "a (1);f (x.py:1) 1\na (1);f (x.py:2) 1\n");
	WRITTEN(pprof, &built, all);
	WRITTEN(lineless, &built, ((struct view){.pids = true}));

	cr_assert(pprof->function_cnt == 1 && pprof->location_cnt == 2);
	cr_assert(lineless->location_cnt == 1 && lineless->sample_cnt == 1);
	cr_assert_eq(lineless->samples[0]->values[0], 2);
}

Test(pprof, addresses_in_two_libraries_are_two_functions)
{
	BUILT_PROFILE(built, "a (1);0x1000 (liba.so) 1\na (1);0x1000 (libb.so) 1\n");
	WRITTEN(pprof, &built, all);

	cr_assert(function_named(pprof, "0x1000 (liba.so)"));
	cr_assert(function_named(pprof, "0x1000 (libb.so)"));
}

Test(pprof, a_sample_has_the_labels_of_its_origin)
{
	BUILT_PROFILE(built, "a (1);@w (2);f (x.py:1) 1\n");
	struct label_set set = {0};
	struct origin origin = *profile_origin_at(built.profile, 0);
	u32 id;

	cr_assert_eq(string_table_intern(built.tables.strings, "web", &set.values[LABEL_CONTAINER_NAME]), 0);
	cr_assert_eq(string_table_intern(built.tables.strings, "shop", &set.values[LABEL_K8S_NAMESPACE]), 0);
	cr_assert_eq(label_table_intern(built.tables.labels, &set, &origin.labels), 0);
	cr_assert_eq(profile_origin(built.profile, &origin, &id), 0);
	cr_assert_eq(profile_add(built.profile, id, profile_at(built.profile, 0)->stack, 5), 0);
	WRITTEN(pprof, &built, all);

	cr_assert_eq(pprof->sample_cnt, 2);
	cr_assert_null(label_named(pprof, 0, "container_name"));
	cr_assert_str_eq(text_at(pprof, label_named(pprof, 1, "container_name")->str), "web");
	cr_assert_str_eq(text_at(pprof, label_named(pprof, 1, "k8s_namespace")->str), "shop");
	cr_assert_str_eq(text_at(pprof, label_named(pprof, 1, "comm")->str), "a");
	cr_assert_str_eq(text_at(pprof, label_named(pprof, 1, "thread_name")->str), "w");
	cr_assert_eq(label_named(pprof, 1, "pid")->num, 1);
	cr_assert_eq(label_named(pprof, 1, "tid")->num, 2);
}

Test(pprof, what_was_lost_is_a_comment)
{
	BUILT_PROFILE(built, "a (1);[unknown: code-gone] 4\n");
	bool lost = false, incomplete = false;

	built.truth.lost[LOSS_RING_FULL] = 2;
	WRITTEN(pprof, &built, all);
	for (size_t i = 0; i < pprof->comment_cnt; i++) {
		lost |= !strcmp(text_at(pprof, pprof->comments[i]), "lost ring-full 2");
		incomplete |= !strcmp(text_at(pprof, pprof->comments[i]), "incomplete code-gone 4");
	}
	cr_assert(lost && incomplete);
}

static bool has_comment(const struct decoded_pprof *pprof, const char *text)
{
	for (size_t i = 0; i < pprof->comment_cnt; i++)
		if (!strcmp(text_at(pprof, pprof->comments[i]), text))
			return true;
	return false;
}

Test(pprof, what_is_common_to_all_samples_and_whose_losses_these_are_are_comments_that_are_read_back)
{
	BUILT_PROFILE(built, "a (1);f (a.py:1) 4\n");
	struct common_labels common = {0};
	struct read_profile read;
	char *bytes = NULL;
	size_t size;
	STRBUF(why);

	cr_assert_eq(common_labels_add(&common, "host=web-1", &why), 0);
	cr_assert_eq(common_labels_add(&common, "region=eu=1 x", &why), 0);
	profile_set_common(built.profile, &common);
	built.truth.whole_samples = 31;
	WRITTEN(pprof, &built, all);
	cr_expect(has_comment(pprof, "label host=web-1"));
	cr_expect(has_comment(pprof, "label region=eu=1 x"));
	cr_expect(has_comment(pprof, "part of 31 samples"));

	FILE *out = open_memstream(&bytes, &size);
	cr_assert_eq(pprof_write(built.profile, &built.truth, &all, out), 0);
	fclose(out);
	cr_assert_eq(profile_read(bytes, size, &read, &why), 0);
	const struct common_labels *back = profile_common(read.profile);
	cr_assert_eq(back->cnt, 2);
	cr_expect_str_eq(back->at[0].name, "host");
	cr_expect_str_eq(back->at[0].otel_name, "host.name");
	cr_expect_str_eq(back->at[0].value, "web-1");
	cr_expect_str_eq(back->at[1].value, "eu=1 x");
	cr_expect_eq(read.truth.whole_samples, 31);
	read_profile_deinit(&read);
	common_labels_deinit(&common);
	free(bytes);
}

Test(pprof, mappings_say_path_and_build_id)
{
	BUILT_PROFILE(built, "a (1);f (libz.so.1);g (libz.so.1);h (libz.so.1);i (liba.so);j_[k] 1\n");

	profile_build_file(&built, "f", "/usr/lib/libz.so.1", "0123abcd");
	profile_build_file(&built, "g", "/opt/libz.so.1", "0123abcd");
	profile_build_file(&built, "h", "/opt/libz.so.1", "");
	profile_build_file(&built, "j", "", "77");
	WRITTEN(pprof, &built, all);
	_cleanup_(free) char *text = decoded_text(pprof);

	cr_expect(strstr(text, "mapping 1: [pyprof-bpf]\n"
			       "mapping 2: /usr/lib/libz.so.1 0123abcd\n"
			       "mapping 3: /opt/libz.so.1 0123abcd\n"
			       "mapping 4: /opt/libz.so.1\n"
			       "mapping 5: liba.so\n"
			       "mapping 6: [kernel.kallsyms] 77\n"),
		  "%s", text);
	for (size_t i = 0; i < pprof->function_cnt; i++)
		cr_expect_str_eq(text_at(pprof, pprof->functions[i].filename), "", "the path says it");
}

/* Also of a file with a name that no path would give, and of one whose path would hide something. */
Test(pprof, what_people_call_a_file_comes_back_with_its_path)
{
	const char *input = "a (1);f (numpy.core._umath);g (libz.so.1);0x1000 (libz.so.1);h (code.so);"
			    "i (gone.so);j_[k];k (_json.abi3.so);l (x/y.so) 1\n";
	BUILT_PROFILE(built, input);
	char *bytes = NULL, *text = NULL;
	struct read_profile read;
	size_t size;
	STRBUF(why);

	profile_build_file(&built, "f", "/v/site-packages/numpy/core/_umath.cpython-311-x86_64-linux-gnu.so", "01");
	profile_build_file(&built, "g", "/usr/lib/libz.so.1", "02");
	profile_build_file(&built, "0x1000", "/usr/lib/libz.so.1", "02");
	profile_build_file(&built, "h", "/dev/shm/other.cpython-311.so", "");
	profile_build_file(&built, "i", "/srv/\xe2\x80\xae/gone.so", "");
	profile_build_file(&built, "j", "/boot/vmlinux", "03");
	FILE *out = open_memstream(&bytes, &size);
	cr_assert_eq(pprof_write(built.profile, &built.truth, &all, out), 0);
	fclose(out);
	cr_assert_eq(profile_read(bytes, size, &read, &why), 0);
	free(bytes);

	out = open_memstream(&text, &size);
	cr_assert_eq(folded_write(read.profile, &read.truth, &all, out), 0);
	fclose(out);
	cr_expect_str_eq(text, input);
	free(text);

	struct decoded_pprof *before = written(&built, all);
	struct built_profile again = {.profile = read.profile, .truth = read.truth};
	struct decoded_pprof *after = written(&again, all);
	cr_assert_eq(after->mapping_cnt, before->mapping_cnt);
	for (size_t i = 0; i < before->mapping_cnt; i++) {
		cr_expect_str_eq(text_at(after, after->mappings[i].filename),
				 text_at(before, before->mappings[i].filename));
		cr_expect_str_eq(text_at(after, after->mappings[i].build_id),
				 text_at(before, before->mappings[i].build_id));
	}
	decoded_free(before);
	decoded_free(after);
	read_profile_deinit(&read);
}

Test(pprof, no_name_hides_or_breaks_out)
{
	char big[4097], input[5000];

	memset(big, 'n', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	snprintf(input, sizeof(input),
		 "a\x1b[2J (1);</script><img onerror=x> (x.py:1);\xe2\x80\xaegpj (y.py:2);\xff\xfe\xc0 (z.py:3);%s "
		 "(w.py:4) 1\n",
		 big);
	BUILT_PROFILE(built, input);
	WRITTEN(pprof, &built, all); /* checks that all is UTF-8 */

	cr_assert(function_named(pprof, "</script><img onerror=x>"));
	cr_assert(function_named(pprof, "\\u202egpj"));
	cr_assert(function_named(pprof, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"));
	cr_assert(function_named(pprof, big));
	cr_assert_str_eq(text_at(pprof, label_named(pprof, 0, "comm")->str), "a?[2J");
}

Test(pprof, of_many_samples_none_is_lost_between_pieces)
{
	BUILT_PROFILE(built, "a (1) 1\n");
	u64 sum = 0;

	for (u32 i = 1; i < 5000; i++) {
		struct frame key = {.kind = FRAME_NATIVE, .address = i};
		u32 frame, stack;

		cr_assert_eq(frame_table_intern(built.tables.frames, &key, &frame, NULL), 0);
		cr_assert_eq(stack_table_push(built.tables.stacks, STACK_ROOT, frame, &stack), 0);
		cr_assert_eq(profile_add(built.profile, 0, stack, i), 0);
	}
	WRITTEN(pprof, &built, all);
	cr_assert_eq(pprof->sample_cnt, 5000);
	for (size_t i = 0; i < pprof->sample_cnt; i++)
		sum += pprof->samples[i]->values[0];
	cr_assert_eq(sum, profile_samples(built.profile));
}
