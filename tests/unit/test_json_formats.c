/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* speedscope's and the Firefox Profiler's formats, read back with jansson and followed index by index. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "build_profile.h"
#include "folded_lines.h"
#include "format/format.h"

typedef int (*write_fn)(const struct profile *, const struct truth *, const struct view *, FILE *);

static const struct view all = {.lines = true, .pids = true, .threads = true};

static const char input[] = "python3 (10);@main (10);<module> (a.py:1);f (a.py:3);deflate (libz.so.1);vfs_read_[k] 4\n"
			    "python3 (10);@pool (12);f (a.py:3);[unknown: code-gone] 2\n"
			    "python3 (10);@pool (12);main (libc.so.6);[unmerged];g (b.py:?) 3\n"
			    "sshd (20);@sshd (20);0x1000 (sshd) 5\n"
			    "idle (30);@idle (30) 1\n";

static json_t *written(write_fn write, const struct built_profile *built, struct view view)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	json_error_t error;

	cr_assert_eq(write(built->profile, &built->truth, &view, out), 0);
	fclose(out);
	json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	cr_assert(json, "%s at %d: %s", error.text, error.position, text);
	free(text);
	return json;
}

static void free_json(json_t **json)
{
	json_decref(*json);
}

#define WRITTEN(name, write, built, view) __attribute__((cleanup(free_json))) json_t *name = written(write, built, view)

/* What must be there: "shared.frames". */
static json_t *at(json_t *json, const char *path)
{
	char copy[128], *rest = copy, *part;

	snprintf(copy, sizeof(copy), "%s", path);
	while ((part = strsep(&rest, "."))) {
		json = json_object_get(json, part);
		cr_assert(json, "%s is missing", path);
	}
	return json;
}

/* An item of a list that must be as long. */
static json_t *item(json_t *list, json_int_t i)
{
	cr_assert(json_is_array(list));
	cr_assert(i >= 0 && i < (json_int_t)json_array_size(list), "no item %lld of %zu", i, json_array_size(list));
	return json_array_get(list, i);
}

static json_int_t number_at(json_t *list, json_int_t i)
{
	cr_assert(json_is_integer(item(list, i)));
	return json_integer_value(json_array_get(list, i));
}

static char *folded_of(const struct built_profile *built)
{
	char *folded = NULL;
	size_t size;
	FILE *out = open_memstream(&folded, &size);

	cr_assert_eq(folded_write(built->profile, &built->truth, &all, out), 0);
	fclose(out);
	char *sorted = folded_lines_sort(folded);
	free(folded);
	return sorted;
}

/* "f (a.py:3)" as folded has it, by what the format calls them. */
static void put_frame(const char *name, const char *file, json_t *line, bool python, FILE *out)
{
	fprintf(out, ";%s", name);
	if (file && !strcmp(file, "[kernel.kallsyms]"))
		fputs("_[k]", out);
	else if (python && json_is_integer(line))
		fprintf(out, " (%s:%lld)", file, (long long)json_integer_value(line));
	else if (python)
		fprintf(out, " (%s:?)", file);
	else if (file && strcmp(file, "[pyprof-bpf]") && strncmp(name, "0x", 2))
		fprintf(out, " (%s)", file);
}

static bool is_source(const char *file)
{
	size_t size = file ? strlen(file) : 0;

	return size > 3 && !strcmp(file + size - 3, ".py");
}

static void expect_folded(const struct built_profile *built, FILE *out, char **text)
{
	fclose(out);
	char *sorted = folded_lines_sort(*text), *expected = folded_of(built);

	cr_expect_str_eq(sorted, expected);
	free(*text);
	free(sorted);
	free(expected);
}

/* ---- speedscope ---- */

/* "python3 (10), main (10)" is a level of its own for the thread. */
static void speedscope_put_name(const char *name, FILE *out)
{
	const char *comma = strstr(name, ", ");

	cr_assert(comma);
	fprintf(out, "%.*s;%s", (int)(comma - name), name, comma + 2);
}

Test(speedscope, says_what_the_folded_output_says)
{
	BUILT_PROFILE(built, input);
	WRITTEN(json, speedscope_write, &built, all);
	json_t *profile, *stack, *frames = at(json, "shared.frames");
	size_t p, i, k;
	char *text;
	FILE *out = open_memstream(&text, &k);

	json_array_foreach(at(json, "profiles"), p, profile)
	{
		cr_assert_eq(json_array_size(at(profile, "samples")), json_array_size(at(profile, "weights")));
		json_array_foreach(at(profile, "samples"), i, stack)
		{
			speedscope_put_name(json_string_value(at(profile, "name")), out);
			for (k = 0; k < json_array_size(stack); k++) {
				json_t *frame = item(frames, number_at(stack, k));
				const char *file = json_string_value(json_object_get(frame, "file"));

				put_frame(json_string_value(at(frame, "name")), file, json_object_get(frame, "line"),
					  is_source(file), out);
			}
			fprintf(out, " %lld\n", (long long)number_at(at(profile, "weights"), i));
		}
	}
	expect_folded(&built, out, &text);
}

Test(speedscope, the_busiest_process_comes_first_and_weights_add_up)
{
	BUILT_PROFILE(built, "a (1);f (x.py:1) 1\nb (2);f (x.py:1) 3\nb (2);g (x.py:2) 1\n");
	built.truth.hz = 100;
	WRITTEN(json, speedscope_write, &built, ((struct view){.lines = true, .pids = true}));
	json_t *first = item(at(json, "profiles"), 0);

	cr_assert_str_eq(json_string_value(at(first, "name")), "b (2)");
	cr_assert_str_eq(json_string_value(at(first, "unit")), "nanoseconds");
	cr_assert_eq(json_integer_value(at(first, "endValue")), 40000000);
	cr_assert_eq(number_at(at(first, "weights"), 0) + number_at(at(first, "weights"), 1), 40000000);
}

Test(speedscope, an_empty_profile_opens)
{
	BUILT_PROFILE(built, "");
	WRITTEN(json, speedscope_write, &built, all);

	cr_assert_eq(json_array_size(at(json, "profiles")), 1);
	cr_assert_eq(json_array_size(at(item(at(json, "profiles"), 0), "samples")), 0);
}

/* ---- Firefox ---- */

/* Each column of a table is as long as the table says. */
static void check_table(json_t *table, const char *name)
{
	json_int_t length = json_integer_value(at(table, "length"));
	const char *key;
	json_t *column;

	json_object_foreach(table, key, column)
	{
		if (json_is_array(column))
			cr_assert_eq((json_int_t)json_array_size(column), length, "%s.%s", name, key);
	}
}

static void firefox_check_tables(json_t *shared)
{
	const char *name;
	json_t *table;

	json_object_foreach(shared, name, table)
	{
		if (json_is_object(table))
			check_table(table, name);
	}
	json_t *prefixes = at(shared, "stackTable.prefix");
	for (size_t i = 0; i < json_array_size(prefixes); i++)
		cr_assert(json_is_null(item(prefixes, i)) || number_at(prefixes, i) < (json_int_t)i,
			  "a parent comes before its children");
}

static const char *firefox_string(json_t *shared, json_int_t i)
{
	return json_string_value(item(at(shared, "stringArray"), i));
}

static void firefox_put_frame(json_t *json, json_t *shared, json_int_t frame, FILE *out)
{
	json_int_t function = number_at(at(shared, "frameTable.func"), frame);
	json_int_t resource = number_at(at(shared, "funcTable.resource"), function);
	json_t *source = item(at(shared, "funcTable.source"), function);
	json_int_t category = number_at(at(shared, "frameTable.category"), frame);
	const char *file = NULL, *kind = json_string_value(at(item(at(json, "meta.categories"), category), "name"));

	if (resource >= 0) {
		json_int_t library = number_at(at(shared, "resourceTable.lib"), resource);

		file = firefox_string(shared, number_at(at(shared, "resourceTable.name"), resource));
		cr_assert_str_eq(json_string_value(at(item(at(json, "libs"), library), "name")), file);
	}
	if (json_is_integer(source))
		file = firefox_string(shared, number_at(at(shared, "sources.filename"), json_integer_value(source)));
	put_frame(firefox_string(shared, number_at(at(shared, "funcTable.name"), function)), file,
		  item(at(shared, "frameTable.line"), frame), !strcmp(kind, "Python"), out);
}

static void firefox_put_stack(json_t *json, json_t *shared, json_t *stack, FILE *out)
{
	if (json_is_null(stack))
		return;
	json_int_t i = json_integer_value(stack);

	firefox_put_stack(json, shared, item(at(shared, "stackTable.prefix"), i), out);
	firefox_put_frame(json, shared, number_at(at(shared, "stackTable.frame"), i), out);
}

Test(firefox, says_what_the_folded_output_says)
{
	BUILT_PROFILE(built, input);
	WRITTEN(json, firefox_write, &built, all);
	json_t *shared = at(json, "shared"), *thread;
	size_t t, size;
	char *text;
	FILE *out = open_memstream(&text, &size);

	firefox_check_tables(shared);
	json_array_foreach(at(json, "threads"), t, thread)
	{
		json_t *samples = at(thread, "samples");
		double before = -1;

		check_table(samples, "samples");
		check_table(at(thread, "markers"), "markers");
		for (size_t i = 0; i < json_array_size(at(samples, "stack")); i++) {
			double time = json_number_value(item(at(samples, "time"), i));

			cr_assert_gt(time, before, "samples are sorted by time");
			before = time;
			fprintf(out, "%s;%s (%lld)", json_string_value(at(thread, "processName")),
				json_string_value(at(thread, "name")), json_integer_value(at(thread, "tid")));
			firefox_put_stack(json, shared, item(at(samples, "stack"), i), out);
			fprintf(out, " %lld\n", (long long)number_at(at(samples, "weight"), i));
		}
	}
	expect_folded(&built, out, &text);
}

Test(firefox, kinds_of_frames_are_categories_with_colours)
{
	BUILT_PROFILE(built, "a (1);f (x.py:1);g (libz.so);h_[k];[truncated: native-fault] 1\n");
	WRITTEN(json, firefox_write, &built, all);
	static const char *const expected[] = {"yellow", "blue", "orange", "grey"};

	for (size_t i = 0; i < 4; i++) {
		json_int_t category = number_at(at(json, "shared.frameTable.category"), i);

		cr_assert_str_eq(json_string_value(at(item(at(json, "meta.categories"), category), "color")),
				 expected[i]);
	}
}

Test(firefox, the_start_is_exact_to_the_millisecond)
{
	BUILT_PROFILE(built, "a (1);f (x.py:1) 1\n");

	built.truth.start_realtime_ns = 1795306044123000000;
	WRITTEN(json, firefox_write, &built, all);
	cr_assert_float_eq(json_number_value(at(json, "meta.startTime")), 1795306044123.0, 0.5);
}

Test(firefox, an_empty_profile_opens)
{
	BUILT_PROFILE(built, "");
	WRITTEN(json, firefox_write, &built, all);

	firefox_check_tables(at(json, "shared"));
	cr_assert_eq(json_array_size(at(json, "threads")), 1);
	cr_assert_eq(json_integer_value(at(item(at(json, "threads"), 0), "samples.length")), 0);
}

/* ---- --per ---- */

static const char places[] = "{web};python3 (10);@main (10);f (a.py:1) 4\n"
			     "{web=other};python3 (10);@main (10);f (a.py:1) 2\n"
			     "{web};nginx (11);@nginx (11);f (a.py:1) 1\n"
			     "python3 (20);@main (20);f (a.py:1) 8\n"
			     "python3 (20);@pool (22);f (a.py:1) 16\n";

/* "NAME: FRAME;FRAME N" per sample. */
static char *speedscope_text(const struct built_profile *built, struct view view)
{
	WRITTEN(json, speedscope_write, built, view);
	json_t *profile, *stack, *frames = at(json, "shared.frames");
	size_t p, i, k;
	char *text;
	FILE *out = open_memstream(&text, &k);

	json_array_foreach(at(json, "profiles"), p, profile)
	{
		json_int_t sum = 0;

		json_array_foreach(at(profile, "samples"), i, stack)
		{
			fprintf(out, "%s:", json_string_value(at(profile, "name")));
			for (k = 0; k < json_array_size(stack); k++)
				fprintf(out, " %s", json_string_value(at(item(frames, number_at(stack, k)), "name")));
			fprintf(out, " %lld\n", (long long)number_at(at(profile, "weights"), i));
			sum += number_at(at(profile, "weights"), i);
		}
		cr_expect_eq(sum, json_integer_value(at(profile, "endValue")));
	}
	fclose(out);
	return text;
}

static void expect_speedscope(struct view view, const char *expected)
{
	BUILT_PROFILE(built, places);
	_cleanup_(free) char *text = speedscope_text(&built, view);

	cr_expect_str_eq(text, expected);
}

Test(speedscope, per_container_has_a_profile_for_each_place_with_its_processes_as_frames)
{
	expect_speedscope((struct view){.lines = true, .pids = true, .per = PER_CONTAINER}, "host: python3 (20) f 24\n"
											    "web: python3 (10) f 6\n"
											    "web: nginx (11) f 1\n");
	expect_speedscope((struct view){.lines = true, .pids = true, .threads = true, .per = PER_CONTAINER},
			  "host: python3 (20), main (20) f 8\n"
			  "host: python3 (20), pool (22) f 16\n"
			  "web: python3 (10), main (10) f 6\n"
			  "web: nginx (11), nginx (11) f 1\n");
}

Test(speedscope, per_process_thread_and_comm_have_a_profile_for_each_of_them)
{
	expect_speedscope((struct view){.lines = true, .pids = true},
			  "python3 (20): f 24\nweb: python3 (10): f 6\nweb: nginx (11): f 1\n");
	expect_speedscope((struct view){.lines = true, .pids = true, .threads = true, .per = PER_THREAD},
			  "python3 (20), pool (22): f 16\npython3 (20), main (20): f 8\n"
			  "web: python3 (10), main (10): f 6\nweb: nginx (11), nginx (11): f 1\n");
	expect_speedscope((struct view){.lines = true, .per = PER_COMM}, "python3: f 30\nnginx: f 1\n");
}

/* "PROCESS [PID]: THREAD N", main threads with a star. */
static void expect_firefox(struct view view, const char *expected)
{
	BUILT_PROFILE(built, places);
	WRITTEN(json, firefox_write, &built, view);
	json_t *thread, *weight;
	size_t t, i, size;
	char *text;
	FILE *out = open_memstream(&text, &size);

	json_array_foreach(at(json, "threads"), t, thread)
	{
		json_int_t sum = 0;

		json_array_foreach(at(thread, "samples.weight"), i, weight) sum += json_integer_value(weight);
		fprintf(out, "%s [%s]: %s%s %lld\n", json_string_value(at(thread, "processName")),
			json_string_value(at(thread, "pid")), json_string_value(at(thread, "name")),
			json_is_true(at(thread, "isMainThread")) ? "*" : "", (long long)sum);
	}
	fclose(out);
	cr_expect_str_eq(text, expected);
	free(text);
}

/* The viewer puts threads of one pid under one track. */
Test(firefox, per_container_puts_processes_where_threads_stand)
{
	expect_firefox((struct view){.lines = true, .pids = true, .per = PER_CONTAINER},
		       "web [2]: python3 (10) 6\nweb [2]: nginx (11) 1\nhost [1]: python3 (20) 24\n");
}

Test(firefox, per_process_thread_and_comm_have_a_track_for_each_of_them)
{
	expect_firefox((struct view){.lines = true, .pids = true},
		       "web: python3 (10) [10]: python3* 6\nweb: nginx (11) [11]: nginx* 1\n"
		       "python3 (20) [20]: python3* 24\n");
	expect_firefox((struct view){.lines = true, .pids = true, .threads = true, .per = PER_THREAD},
		       "web: python3 (10) [10]: main* 6\nweb: nginx (11) [11]: nginx* 1\n"
		       "python3 (20) [20]: main* 8\npython3 (20) [20]: pool 16\n");
	expect_firefox((struct view){.lines = true, .per = PER_COMM},
		       "python3 [1]: python3* 30\nnginx [2]: nginx* 1\n");
}

/* ---- both ---- */

Test(json_formats, no_name_hides_or_breaks_out)
{
	static const write_fn writers[] = {speedscope_write, firefox_write};
	char big[4097], hostile[5000];

	memset(big, 'n', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	snprintf(hostile, sizeof(hostile),
		 "\"},{\xe2\x80\xae (1);</script><img onerror=x> (x.py:1);\xe2\x80\xaegpj\\ (y.py:2);\xff\xfe\xc0 "
		 "(z.py:3);%s (w.py:4) 1\n",
		 big);
	BUILT_PROFILE(built, hostile);
	for (size_t i = 0; i < 2; i++) {
		WRITTEN(json, writers[i], &built, all); /* jansson takes UTF-8 alone */
		_cleanup_(free) char *text = json_dumps(json, 0);

		cr_assert(strstr(text, "</script><img onerror=x>"));
		cr_assert(strstr(text, "\\\\u202egpj\\\\"));
		cr_assert_null(strstr(text, "\xe2\x80\xae"));
		cr_assert(strstr(text, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"));
		cr_assert(strstr(text, big));
	}
}

Test(json_formats, tracks_in_containers_say_so)
{
	BUILT_PROFILE(built, "a (1);f (x.py:1) 1\n");
	struct label_set set = {0};
	struct origin origin = *profile_origin_at(built.profile, 0);
	u32 id;

	cr_assert_eq(string_table_intern(built.tables.strings, "web", &set.values[LABEL_CONTAINER_NAME]), 0);
	cr_assert_eq(label_table_intern(built.tables.labels, &set, &origin.labels), 0);
	cr_assert_eq(profile_origin(built.profile, &origin, &id), 0);
	cr_assert_eq(profile_add(built.profile, id, profile_at(built.profile, 0)->stack, 5), 0);
	WRITTEN(speedscope, speedscope_write, &built, all);
	WRITTEN(firefox, firefox_write, &built, all);
	cr_assert_str_eq(json_string_value(at(item(at(speedscope, "profiles"), 0), "name")), "web: a (1)");
	cr_assert_str_eq(json_string_value(at(item(at(firefox, "threads"), 1), "processName")), "web: a (1)");
}
