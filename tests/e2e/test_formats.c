/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Each format is read by the program that it is for (tools/get_readers.sh, read_formats.py),
 * which must see what the folded output of the same profile says. Readers that are
 * missing are a failure.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/e2e/harness.h"

E2E_SUITE(formats, 300);

static const char *const suffixes[] = {"pb.gz", "speedscope.json", "firefox.json", "otlp.pb"};
#define SUFFIX_CNT (sizeof(suffixes) / sizeof(*suffixes))

/* Functions of shares.py. */
static const char *const names[] = {"half", "quarter", "sixth", "twelfth"};

static const char *readers(void)
{
	struct child *child = child_start(NULL, (const char *[]){"tools/get_readers.sh", NULL});

	cr_assert_eq(child_wait(child, 200), 0, "no readers: %s", child_err(child));
	return text_of("%.*s", (int)strcspn(child_out(child), "\n"), child_out(child));
}

/* What the format's reader says of a file; it must accept it. */
static const char *read_by_its_reader(const char *path)
{
	const char *argv[] = {
		"python3", "tests/e2e/read_formats.py", readers(), path, names[0], names[1], names[2], names[3], NULL};
	struct child *child = child_start(NULL, argv);

	cr_assert_eq(child_wait(child, 120), 0, "%s: %s", path, child_err(child));
	return child_out(child);
}

static void convert(const char *from, const char *to)
{
	struct child *child = profiler_run(30, "convert", from, to, NULL);

	cr_assert_eq(child->status, 0, "%s to %s: %s", from, to, child_err(child));
}

static void folded_read(const char *path, struct folded *ret)
{
	expect_null_problem(folded_parse(file_text(path), ret), "%s", path);
}

/* The counts of all lines, whatever their names are. */
static unsigned long long samples_in(const char *path)
{
	unsigned long long sum = 0;

	for (const char *line = file_text(path), *end; line && (end = strchr(line, '\n')); line = end + 1) {
		const char *space = memrchr(line, ' ', (size_t)(end - line));

		cr_assert(space);
		sum += strtoull(space, NULL, 10);
	}
	return sum;
}

/* As read_formats.py says it. */
static const char *expected_of(const struct folded *folded)
{
	const char *text = text_of("samples %llu\n", folded->samples);

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		text = text_of("%s%llu %s\n", text, folded_count(folded, text_of("%s (*", names[i])), names[i]);
	return text;
}

static struct child *shares_start(const struct place *place, struct python *ret_python)
{
	*ret_python = python_any();
	struct child *workload = python_start(ret_python, place, "shares.py", text_of("%s/totals", place->inside),
					      NULL);

	child_ready(workload, 20);
	return workload;
}

static struct place python_place(void)
{
	struct python python = python_any();

	return place_in(python.root);
}

static void record(pid_t pid, const char *path)
{
	struct child *child = profiler_run(30, "-p", text_of("%d", pid), "-F", "499", "-d", "1.5", "--threads", "-o",
					   path, NULL);

	cr_assert_eq(child->status, 0, "%s: %s", path, child_err(child));
}

Test(formats, their_readers_see_what_the_folded_output_says)
{
	struct place place = python_place();
	const char *pprof = in_place(&place, "out.pb.gz"), *folded_path = in_place(&place, "out.folded");
	struct python python;
	struct folded folded;
	struct child *workload = shares_start(&place, &python);

	record(workload->pid, pprof);
	child_kill(workload);
	convert(pprof, folded_path);
	folded_read(folded_path, &folded);
	cr_assert_gt(folded.samples, FEW);
	cr_assert_gt(folded_count(&folded, "half (*"), 0);
	cr_expect_str_eq(read_by_its_reader(pprof), expected_of(&folded), "as it was recorded");
	for (size_t i = 0; i < SUFFIX_CNT; i++) {
		const char *path = in_place(&place, text_of("again.%s", suffixes[i]));

		convert(pprof, path);
		cr_expect_str_eq(read_by_its_reader(path), expected_of(&folded), "%s", suffixes[i]);
	}
	folded_free(&folded);
}

Test(formats, each_can_be_recorded)
{
	struct place place = python_place();
	struct python python;
	struct child *workload = shares_start(&place, &python);

	for (size_t i = 0; i < SUFFIX_CNT; i++) {
		const char *path = in_place(&place, text_of("out.%s", suffixes[i])), *half;
		int samples = 0;

		record(workload->pid, path);
		const char *text = read_by_its_reader(path);
		cr_assert_eq(sscanf(text, "samples %d", &samples), 1);
		cr_expect_gt(samples, FEW, "%s: %s", suffixes[i], text);
		half = strchr(text, '\n') + 1;
		cr_expect_gt(atoi(half), 0, "%s: %s", suffixes[i], text);
	}
	child_kill(workload);
}

/* PATH BUILD-ID of our own libc, which copies memory for Python too. */
static const char *own_libc(void)
{
	const char *at = strstr(file_text("/proc/self/maps"), "/libc.so.6\n"), *path = at, *id;

	cr_assert(at);
	while (path[-1] != ' ')
		path--;
	path = text_of("%.*s", (int)strcspn(path, "\n"), path);
	struct child *child = child_start(NULL, (const char *[]){"readelf", "-n", path, NULL});
	cr_assert_eq(child_wait(child, 20), 0, "%s", child_err(child));
	cr_assert((id = strstr(child_out(child), "Build ID: ")));
	id += strlen("Build ID: ");
	return text_of("%s %.*s\n", path, (int)strcspn(id, "\n"), id);
}

static const char *files_by_its_reader(const char *path)
{
	struct child *child = child_start(
		NULL, (const char *[]){"python3", "tests/e2e/read_formats.py", readers(), path, "--files", NULL});

	cr_assert_eq(child_wait(child, 60), 0, "%s: %s", path, child_err(child));
	return child_out(child);
}

Test(formats, their_readers_see_which_files_were_mapped)
{
	static const char copies[] = "import time\nend, text = time.time() + 1.5, bytes(1 << 20)\n"
				     "while time.time() < end: bytearray(text)\n";
	static const char *const tables[] = {"again.pb.gz", "again.otlp.pb"};
	struct place place = place_in("/");
	const char *pprof = in_place(&place, "files.pb.gz"), *libc = own_libc();
	struct child *child = profiler_run(60, "--native", "all", "-F", "499", "-o", pprof, "--", "/usr/bin/python3",
					   "-c", copies, NULL);

	cr_assert_eq(child->status, 0, "%s", child_err(child));
	const char *files = files_by_its_reader(pprof);
	cr_expect(strstr(files, libc), "%s is not in %s", libc, files);
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		const char *path = in_place(&place, tables[i]), *again;

		convert(pprof, path);
		again = files_by_its_reader(path);
		cr_expect(strstr(again, libc), "%s: %s is not in %s", path, libc, again);
	}
	/* People see the name alone. */
	convert(pprof, in_place(&place, "files.folded"));
	const char *folded = file_text(in_place(&place, "files.folded"));
	cr_expect(strstr(folded, " (libc.so.6)") && !strstr(folded, "/libc.so.6"), "%s", folded);
}

Test(formats, their_readers_take_names_that_would_do_harm)
{
	static const char *const cases[] = {"hostile", "host", "threads", "empty"};
	struct place place = place_in("/");

	for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
		const char *input = text_of("tests/golden/%s/expected.folded", cases[c]);
		const char *expected = text_of("samples %llu\n", samples_in(input));

		for (size_t i = 0; i < SUFFIX_CNT; i++) {
			const char *path = in_place(&place, text_of("%s.%s", cases[c], suffixes[i]));

			convert(input, path);
			cr_expect(!strncmp(read_by_its_reader(path), expected, strlen(expected)), "%s", path);
		}
	}
}

Test(formats, what_is_no_profile_is_refused_in_one_line)
{
	static const char *const wrong[][3] = {
		{"/etc/passwd", "-", "1"},
		{"/bin/true", "-", "1"},
		{"/no/such/file", "-", "1"},
		{"tests/golden/host/expected.folded", "/no/such/place/x.svg", "1"},
		{"tests/golden/host/expected.folded", "x.png", "2"},
		{"only-one", NULL, "2"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct child *child = profiler_run(30, "convert", wrong[i][0], wrong[i][1], NULL);

		cr_expect_eq(child->status, atoi(wrong[i][2]), "%s: %s", wrong[i][0], child_err(child));
		expect_null_problem(check_error_line(child_err(child)), "%s", wrong[i][0]);
	}
}
