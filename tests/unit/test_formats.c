/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every case of tests/golden in every format: input.folded (build_profile.h says
 * how it reads) must give expected.folded, expected.svg and so on; of formats that are
 * no text, expected.NAME.txt is what the tests' own decoder says of them. Its first line
 * may say "# view: threads no-lines no-pid". With UPDATE_GOLDEN set in the
 * environment the expectations are written instead: see tools/update_golden.sh.
 */
#include "format/format.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "build_profile.h"
#include "decode_otlp.h"
#include "decode_pprof.h"

#define GOLDEN "tests/golden"

typedef int (*write_fn)(const struct profile *, const struct truth *, const struct view *, FILE *);

static const struct view plain = {.lines = true, .pids = true};

/* To be freed; NULL when there is no such file. */
static char *read_file(const char *path)
{
	_cleanup_(stream) FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	if (!file)
		return NULL;
	if (getdelim(&text, &size, 0, file) < 0) {
		free(text);
		return strdup("");
	}
	return text;
}

/* To be freed. */
static char *written_bytes(write_fn write, const struct built_profile *built, struct view view, size_t *ret_size)
{
	char *bytes = NULL;
	FILE *out = open_memstream(&bytes, ret_size);

	cr_assert_eq(write(built->profile, &built->truth, &view, out), 0);
	fclose(out);
	return bytes;
}

static char *written(write_fn write, const struct built_profile *built, struct view view)
{
	size_t size;
	char *text = written_bytes(write, built, view, &size);

	cr_assert_eq(strlen(text), size, "a NUL in the output");
	return text;
}

static void expect_folded(const char *folded, struct view view, const char *expected)
{
	BUILT_PROFILE(built, folded);
	_cleanup_(free) char *text = written(folded_write, &built, view);

	cr_assert_str_eq(text, expected);
}

/* ---- the table ---- */

Test(formats, are_found_by_name)
{
	cr_assert_str_eq(format_find("svg")->suffix, ".svg");
	cr_assert_str_eq(format_find("folded")->suffix, ".folded");
	cr_assert_null(format_find("pdf"));
	cr_assert_null(format_find(""));
}

Test(formats, are_chosen_by_the_suffix_of_a_file)
{
	cr_assert_str_eq(format_of_file("host.svg")->name, "svg");
	cr_assert_str_eq(format_of_file("/tmp/a.b/app.folded")->name, "folded");
	cr_assert_str_eq(format_of_file("a.svg.folded")->name, "folded");
	cr_assert_str_eq(format_of_file("host.pb.gz")->name, "pprof");
	cr_assert_str_eq(format_of_file("a.speedscope.json")->name, "speedscope");
	cr_assert_str_eq(format_of_file("b/a.firefox.json")->name, "firefox");
	cr_assert_str_eq(format_of_file("a.otlp.pb")->name, "otlp");
	cr_assert_null(format_of_file("a.json"));
	cr_assert_null(format_of_file("host.pdf"));
	cr_assert_null(format_of_file("host.gz"));
	cr_assert_null(format_of_file("host."));
}

Test(formats, a_name_without_suffix_and_stdout_are_folded)
{
	cr_assert_str_eq(format_of_file("-")->name, "folded");
	cr_assert_str_eq(format_of_file("profile")->name, "folded");
	cr_assert_str_eq(format_of_file("/var/lib/x.svg/profile")->name, "folded");
	cr_assert_str_eq(format_of_file("/dev/null")->name, "folded");
}

/* ---- folded ---- */

Test(folded, lines_are_root_first_and_sorted)
{
	expect_folded("b (2);f (lib.so) 3\na (10);z (a.py:1);k_[k] 1\na (10);[unknown: code-gone] 2\n", plain,
		      "a (10);[unknown: code-gone] 2\n"
		      "a (10);z (a.py:1);k_[k] 1\n"
		      "b (2);f (lib.so) 3\n");
}

Test(folded, the_order_is_that_of_bytes_even_where_one_name_begins_another)
{
	/* Space < ; < letters: the lines below a node are not always together. */
	expect_folded("a;f;g 1\na;f 2\na;f x 3\na;f-y;g 4\na;fa 5\na;\xc3\xa9 6\n", (struct view){.lines = true},
		      "a;f 2\n"
		      "a;f x 3\n"
		      "a;f-y;g 4\n"
		      "a;f;g 1\n"
		      "a;fa 5\n"
		      "a;\xc3\xa9 6\n");
}

Test(folded, lines_that_read_the_same_are_one)
{
	expect_folded("a (1);f (lib.so)#1 1\na (1);f (lib.so)#2 2\n", plain, "a (1);f (lib.so) 3\n");
}

Test(folded, a_semicolon_in_a_name_becomes_a_colon)
{
	BUILT_PROFILE(built, "a (1);f (x.py:1) 1\n");
	_cleanup_(free) char *text = NULL;
	u32 odd;

	cr_assert_eq(string_table_intern(built.tables.strings, "f;rm -rf\n;", &odd), 0);
	frame_table_at(built.tables.frames, 0)->function = odd;
	text = written(folded_write, &built, plain);
	cr_assert_str_eq(text, "a (1);f:rm -rf?: (x.py:1) 1\n");
}

Test(folded, views_leave_out_lines_and_pids_and_put_in_threads)
{
	const char *folded = "a (1);@w (5);f (x.py:1) 1\na (2);@w (6);f (x.py:2) 2\n";

	expect_folded(folded, (struct view){.pids = true}, "a (1);f (x.py) 1\na (2);f (x.py) 2\n");
	expect_folded(folded, (struct view){0}, "a;f (x.py) 3\n");
	expect_folded(folded, (struct view){.lines = true, .pids = true, .threads = true},
		      "a (1);w (5);f (x.py:1) 1\na (2);w (6);f (x.py:2) 2\n");
}

Test(folded, a_process_without_frames_is_a_line)
{
	expect_folded("a (1) 5\na (1);f (lib.so) 1\n", plain, "a (1) 5\na (1);f (lib.so) 1\n");
}

Test(folded, an_empty_profile_is_empty)
{
	expect_folded("", plain, "");
}

Test(folded, a_full_disk_is_an_error)
{
	BUILT_PROFILE(built, "a (1);f (lib.so) 1\n");
	_cleanup_(stream) FILE *full = fopen("/dev/full", "w");

	cr_assert_eq(folded_write(built.profile, &built.truth, &plain, full), -ENOSPC);
	for (const struct format *format = formats; format->name; format++)
		cr_assert_eq(format->write(built.profile, &built.truth, &plain, full), -ENOSPC, "%s", format->name);
	cr_assert_eq(stats_json_write(&built.truth, full), -ENOSPC);
}

/* ---- stats ---- */

static json_t *stats_of(const struct truth *truth)
{
	_cleanup_(free) char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	cr_assert_eq(stats_json_write(truth, out), 0);
	fclose(out);
	cr_assert_eq(text[size - 1], '\n');
	json_t *json = json_loads(text, 0, NULL);
	cr_assert(json, "%s", text);
	return json;
}

Test(stats, all_that_the_contract_names_is_there)
{
	struct truth truth = {
		.samples = 1000,
		.lost = {[LOSS_RING_FULL] = 2, [LOSS_NOT_TAKEN] = 1},
		.incomplete = {[LOSS_CODE_GONE] = 4},
		.untold = 17,
		.python_samples = 700,
		.python_complete = 699,
		.native = {.samples = 990, .complete = 980, .fallback = 12},
		.merge = {.verified = 600, .counted = 50, .unmerged = 6},
		.seconds = 10.5,
		.first_sample_s = 0.25,
		.hz = 99,
		.cpus = 4,
		.bpf_ns = 123456789,
		.bpf_runs = 1010,
		.agent_cpu_s = 0.125,
		.ring_bytes = 1 << 20,
		.map_bytes = 1ull << 33,
		.rss_bytes = 12345678,
		.versions = {{"3.11.2", 3}, {"3.13.5", 1}},
	};
	json_t *json = stats_of(&truth), *lost, *incomplete, *versions;
	json_int_t samples, complete, python, hz, cpus, bpf_ns, bpf_runs, ring, map, rss;
	json_int_t native, reached, fallback, verified, counted, unmerged, untold;
	double seconds, first, agent;

	cr_assert_eq(json_unpack_ex(
			     json, NULL, JSON_STRICT,
			     "{s:I,s:o,s:o,s:I,s:{s:I,s:I},s:{s:I,s:I,s:I},s:{s:I,s:I,s:I},s:o,s:F,s:F,s:I,s:I,s:I,"
			     "s:I,s:F,s:I,s:I,s:I}",
			     "samples", &samples, "lost", &lost, "incomplete", &incomplete, "untold", &untold, "python",
			     "samples", &python, "complete", &complete, "native", "samples", &native, "complete",
			     &reached, "fallback", &fallback, "merge", "verified", &verified, "counted", &counted,
			     "unmerged", &unmerged, "python_versions", &versions, "seconds", &seconds, "first_sample_s",
			     &first, "hz", &hz, "cpus", &cpus, "bpf_ns", &bpf_ns, "bpf_runs", &bpf_runs, "agent_cpu_s",
			     &agent, "ring_bytes", &ring, "map_bytes", &map, "rss_bytes", &rss),
		     0);
	cr_assert_eq(samples, 1000);
	cr_assert_eq(python, 700);
	cr_assert_eq(complete, 699);
	cr_assert_eq(untold, 17);
	cr_assert(native == 990 && reached == 980 && fallback == 12);
	cr_assert(verified == 600 && counted == 50 && unmerged == 6);
	cr_assert_eq(map, 1ll << 33);
	cr_assert_float_eq(seconds, 10.5, 1e-9);
	cr_assert_float_eq(agent, 0.125, 1e-9);
	cr_assert_eq(json_object_size(lost), 2);
	cr_assert_eq(json_integer_value(json_object_get(lost, "ring-full")), 2);
	cr_assert_eq(json_integer_value(json_object_get(incomplete, "code-gone")), 4);
	cr_assert_eq(json_integer_value(json_object_get(versions, "3.11.2")), 3);
	json_decref(json);
}

Test(stats, of_nothing_are_still_valid)
{
	struct truth truth = {.first_sample_s = NAN};
	json_t *json = stats_of(&truth);

	cr_assert_eq(json_object_size(json_object_get(json, "lost")), 0);
	cr_assert(json_is_null(json_object_get(json, "first_sample_s")));
	json_decref(json);
}

/* ---- flame graph ---- */

static char *svg_of(const struct built_profile *built)
{
	return written(flamegraph_svg_write, built, plain);
}

static size_t count_of(const char *text, const char *what)
{
	size_t cnt = 0;

	for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
		cnt++;
	return cnt;
}

Test(flamegraph, each_node_is_as_wide_as_its_part_of_all_samples)
{
	BUILT_PROFILE(built, "app (1);b (x.py:1) 3\napp (1);a (x.py:1) 1\n");
	_cleanup_(free) char *svg = svg_of(&built);

	/* Siblings by name: a has the first quarter, b begins there. */
	cr_assert(strstr(svg, "x=\"0.0000%\" y=\"36\" width=\"25.0000%\" height=\"17\" data-x=\"0\" data-n=\"1\" "
			      "data-d=\"2\" data-self=\"1\"><rect width=\"100%\" height=\"100%\">"
			      "<title>a (x.py:1)\nPython, 1 sample, 25.00 %</title>"));
	cr_assert(strstr(svg, "x=\"25.0000%\" y=\"36\" width=\"75.0000%\""));
	cr_assert(strstr(svg, "<title>all\neverything, 4 samples, 100.00 %</title>"));
}

Test(flamegraph, kinds_of_frames_are_told_apart)
{
	BUILT_PROFILE(built, "app (1);[unknown: code-gone];f (x.py:1);g (lib.so);h_[k] 1\n");
	_cleanup_(free) char *svg = svg_of(&built);

	cr_assert(strstr(svg, "<svg class=\"c\""));
	cr_assert(strstr(svg, "<svg class=\"l\""));
	cr_assert_eq(count_of(svg, "<svg class=\"p s"), 2, "one in the legend, one in the picture");
	cr_assert_eq(count_of(svg, "<svg class=\"n s"), 2);
	cr_assert_eq(count_of(svg, "<svg class=\"k s"), 2);
}

Test(flamegraph, a_mark_looks_like_what_is_missing_but_is_called_what_it_is)
{
	BUILT_PROFILE(built, "app (1);f (lib.so);[unmerged];g (x.py:1) 1\n");
	_cleanup_(free) char *svg = svg_of(&built);

	cr_assert(strstr(svg, "<title>[unmerged]\na mark, 1 sample"));
	cr_assert(strstr(svg, "<svg class=\"l\""));
}

Test(flamegraph, the_expressions_of_a_line_stand_under_what_it_is)
{
	BUILT_PROFILE(built, "app (1);f (x.py:7) 3\napp (1);f (x.py:7)#2 5\n");
	struct frame *one = frame_table_at(built.tables.frames, 0), *other = frame_table_at(built.tables.frames, 1);

	_cleanup_(free) char *bare = svg_of(&built);
	cr_assert(strstr(bare, "<title>f (x.py:7)\nPython, 8 samples, 100.00 %</title>"));
	cr_assert_null(strstr(bare, "data-spots=\"\""));
	one->end_line = 7;
	one->column = 8;
	one->end_column = 30;
	other->end_line = 9;
	other->column = 4;
	other->end_column = 1;
	cr_assert_eq(string_table_intern(built.tables.strings, "a < b]]>\u202e", &other->text), 0);
	_cleanup_(free) char *svg = svg_of(&built);
	cr_assert(strstr(svg, "<title>f (x.py:7)\nPython, 8 samples, 100.00 %\n"
			      "62.5 % 7:4-9:1 a &lt; b]]&gt;\\u202e\n"
			      "37.5 % 7:8-7:30</title>"));
	cr_assert(strstr(svg, "data-spots=\"\""));
}

Test(flamegraph, no_name_becomes_markup)
{
	BUILT_PROFILE(built, "a (1);</script><img onerror=\"x\"> (]]>'&.py:1) 1\n");
	_cleanup_(free) char *svg = svg_of(&built);

	cr_assert_null(strstr(svg, "<img"));
	cr_assert(strstr(svg, "<title>&lt;/script&gt;&lt;img onerror=&quot;x&quot;&gt; (]]&gt;&#39;&amp;.py:1)\n"));
	/* Only what ends the style and the script. */
	cr_assert_eq(count_of(svg, "]]>"), 2);
	cr_assert_eq(count_of(svg, "</script>"), 1);
}

Test(flamegraph, characters_that_hide_or_turn_text_are_written_out)
{
	BUILT_PROFILE(built, "a (1);x\xe2\x80\xaey\xe2\x81\xa6z\xef\xbb\xbf\xef\xbf\xbf (\xd7\xa9.py:1) 1\n");
	_cleanup_(free) char *svg = svg_of(&built);

	cr_assert(strstr(svg, "<title>x\\u202ey\\u2066z\\ufeff\xef\xbf\xbd (\xd7\xa9.py:1)\n"));
}

Test(flamegraph, an_empty_profile_is_a_picture_that_says_so)
{
	BUILT_PROFILE(built, "");
	_cleanup_(free) char *svg = svg_of(&built);

	cr_assert(strstr(svg, "No samples"));
	cr_assert(strstr(svg, "0 samples"));
	cr_assert_null(strstr(svg, "nan"));
}

Test(flamegraph, nodes_too_narrow_to_see_are_left_out_and_counted)
{
	BUILT_PROFILE(built, "app (1);wide (lib.so) 9999\napp (1);thin (lib.so) 1\n");
	_cleanup_(free) char *svg = svg_of(&built);

	cr_assert_null(strstr(svg, "thin (lib.so)"));
	cr_assert(strstr(svg, "Not drawn: 1 frame of less than 0.05 % each."));
}

Test(flamegraph, it_never_has_more_nodes_than_a_browser_opens)
{
	BUILT_PROFILE(built, "app (1);f (lib.so) 1\n");

	/* 1000 branches that are 100 deep. */
	for (u32 branch = 0; branch < 1000; branch++) {
		u32 stack = STACK_ROOT;

		for (u32 depth = 0; depth < 100; depth++) {
			struct frame key = {.kind = FRAME_NATIVE, .address = 0x1000000 + branch};
			u32 frame;

			cr_assert_eq(frame_table_intern(built.tables.frames, &key, &frame, NULL), 0);
			cr_assert_eq(stack_table_push(built.tables.stacks, stack, frame, &stack), 0);
		}
		cr_assert_eq(profile_add(built.profile, 0, stack, 1 + branch % 3), 0);
	}
	_cleanup_(free) char *svg = svg_of(&built);
	cr_assert_leq(count_of(svg, "<title>"), 30001);
	cr_assert(strstr(svg, "Not drawn: "));
}

Test(flamegraph, nothing_is_loaded_from_elsewhere)
{
	BUILT_PROFILE(built, "app (1);f (lib.so) 1\n");
	_cleanup_(free) char *svg = svg_of(&built);

	/* The two names of namespaces, and no other address. */
	cr_assert_eq(count_of(svg, "://"), count_of(svg, "http://www.w3.org/"));
	cr_assert_null(strstr(svg, "@import"));
	cr_assert_null(strstr(svg, "eval("));
	cr_assert_null(strstr(svg, "innerHTML"));
}

/* ---- golden ---- */

static struct view view_of(const char *input)
{
	struct view view = plain;
	char line[128] = "";

	sscanf(input, "# view: %127[^\n]", line);
	view.threads = strstr(line, "threads");
	view.lines = !strstr(line, "no-lines");
	view.pids = !strstr(line, "no-pid");
	return view;
}

/* What a profiler would have measured, the same on every machine. */
static void set_truth(struct truth *truth)
{
	truth->start_realtime_ns = 1795306044123000000; /* 2026-11-22T00:07:24.123Z */
	truth->seconds = 10;
	truth->hz = 99;
	truth->cpus = 2;
	truth->processes = 12;
	truth->python_processes = 2;
	truth->python_samples = truth->python_complete = truth->samples / 2;
	truth->agent_cpu_s = 0.008;
	truth->bpf_ns = 2000000;
	truth->rss_bytes = 12 << 20;
	truth->lost[LOSS_NOT_TAKEN] = truth->samples / 1000;
	truth->versions[0] = (struct python_version_cnt){"3.11.2", 1};
	truth->versions[1] = (struct python_version_cnt){"3.13.5", 1};
}

static char *pprof_text(const char *bytes, size_t size)
{
	struct decoded_pprof *pprof = pprof_decode(bytes, size);
	char *text = decoded_text(pprof);

	decoded_free(pprof);
	return text;
}

static char *otlp_golden(const char *bytes, size_t size)
{
	return otlp_text_of(bytes, size);
}

/* Formats that are no text, as text; to be freed. */
static const struct {
	const char *name;
	char *(*text)(const char *bytes, size_t size);
} decoders[] = {{"pprof", pprof_text}, {"otlp", otlp_golden}, {0}};

static char *golden_text(const struct format *format, const struct built_profile *built, struct view view,
			 char *ret_suffix)
{
	size_t size;
	char *bytes = written_bytes(format->write, built, view, &size);

	sprintf(ret_suffix, "%s", format->suffix);
	for (size_t i = 0; decoders[i].name; i++) {
		if (strcmp(decoders[i].name, format->name))
			continue;
		char *text = decoders[i].text(bytes, size);
		free(bytes);
		sprintf(ret_suffix, ".%s.txt", format->name);
		return text;
	}
	cr_assert_eq(strlen(bytes), size, "a NUL in the output");
	return bytes;
}

static void check_golden(const char *name, const struct format *format)
{
	char input_path[512], expected_path[512], suffix[64];

	snprintf(input_path, sizeof(input_path), GOLDEN "/%s/input.folded", name);
	_cleanup_(free) char *input = read_file(input_path);
	cr_assert(input, "%s is missing", input_path);

	BUILT_PROFILE(built, input);
	set_truth(&built.truth);
	_cleanup_(free) char *text = golden_text(format, &built, view_of(input), suffix);
	snprintf(expected_path, sizeof(expected_path), GOLDEN "/%s/expected%s", name, suffix);

	if (getenv("UPDATE_GOLDEN")) {
		_cleanup_(stream) FILE *out = fopen(expected_path, "w");
		cr_assert(out && fputs(text, out) >= 0, "cannot write %s", expected_path);
		return;
	}
	_cleanup_(free) char *expected = read_file(expected_path);
	cr_assert(expected, "%s is missing", expected_path);
	cr_expect(!strcmp(text, expected), "%s is not what is written now; see tools/update_golden.sh", expected_path);
}

Test(golden, every_case_is_written_as_it_was_reviewed)
{
	_cleanup_(directory) DIR *golden = opendir(GOLDEN);
	struct dirent *entry;
	int cnt = 0;

	cr_assert(golden, "run me from the top of the tree");
	while ((entry = readdir(golden))) {
		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, "dump")) /* test_dump_formats.c */
			continue;
		for (const struct format *format = formats; format->name; format++, cnt++)
			check_golden(entry->d_name, format);
	}
	cr_assert_geq(cnt, 2);
}
