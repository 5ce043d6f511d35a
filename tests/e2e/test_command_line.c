/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the command line takes, what it refuses, and how it all ends. */
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/e2e/harness.h"

#define NOBODY 65534

E2E_SUITE(command_line, 90);

/* Words apart by `|`. */
struct row {
	char words[120];
};

static const char *const wrong_lines[] = {
	"",
	"record",
	"frobnicate",
	"record|record",
	"--no-such-option|--all",
	"--all|--no-such-option",
	"-Z|--all",
	"--all|extra",
	"--all=yes",
	"--all|-p|1",
	"--all|--|true",
	"-p|1|--|true",
	"--",
	"record|--",
	"-p",
	"-p|",
	"-p|x",
	"-p|0",
	"-p|-1",
	"-p|+1",
	"-p|1,",
	"-p|,1",
	"-p|1,,1",
	"-p|1;1",
	"-p|1x",
	"-p|0x1",
	"-p|99999999999999999999",
	"--all|-F",
	"--all|-F|0",
	"--all|-F|-1",
	"--all|-F|10001",
	"--all|-F|99999999999999999999",
	"--all|-F|9.5",
	"--all|-F|99x",
	"--all|-F|",
	"--all|--frequency=fast",
	"--all|-d",
	"--all|-d|-1",
	"--all|-d|x",
	"--all|-d|",
	"--all|-d|1s",
	"--all|-d|nan",
	"--all|-d|inf",
	"--all|-d|1,5",
	"--all|--window|0",
	"--all|--window|0.09",
	"--all|--window|3601",
	"--all|--window|-1",
	"--all|--window|x",
	"--all|-d|1|-o|x.png",
	"--all|-d|1|-o|x.folded.gz",
	"--all|-d|1|-o|",
	"--all|-d|1|--format|png|-o|x.folded",
	"--all|-d|1|--format||-o|x.folded",
	"--all|-d|1|--stats",
	"--all|-d|1|--no-kernel=1",
	"--all|-d|1|--native|some",
	"--all|-d|1|--stack-copy|5000",
	"doctor|extra",
	"doctor|--no-such-option",
	"doctor|--all",
	"unwind-table",
	"unwind-table|one|two",
	"unwind-table|--at",
	"unwind-table|--at|x|/bin/true",
	"unwind-table|--no-such-option|/bin/true",
};

ParameterizedTestParameters(command_line, what_is_wrong_is_refused_in_one_line)
{
	size_t cnt = sizeof(wrong_lines) / sizeof(*wrong_lines);
	struct row *rows = cr_calloc(cnt, sizeof(*rows));

	for (size_t i = 0; i < cnt; i++)
		snprintf(rows[i].words, sizeof(rows[i].words), "%s", wrong_lines[i]);
	return cr_make_param_array(struct row, rows, cnt);
}

ParameterizedTest(struct row *row, command_line, what_is_wrong_is_refused_in_one_line)
{
	struct place place = place_in("/");
	struct start how = {.directory = place.outside};
	char words[sizeof(row->words)];
	const char *argv[16] = {profiler_path()};
	size_t cnt = 1;

	memcpy(words, row->words, sizeof(words));
	for (char *at = *words ? words : NULL; at;)
		argv[cnt++] = strsep(&at, "|");
	struct child *child = child_start(&how, argv);
	cr_expect_eq(child_wait(child, 10), 2, "'%s' ended with %d", row->words, child->status);
	cr_expect_str_empty(child_out(child), "'%s' wrote %s", row->words, child_out(child));
	expect_null_problem(check_error_line(child_err(child)), "'%s'", row->words);
}

Test(command_line, help_and_version_go_to_stdout)
{
	static const char *const options[] = {"--all",	   "-p",	"--children",  "--frequency", "--duration",
					      "-o",	   "--format",	"--no-kernel", "--no-lines",  "--no-pid",
					      "--threads", "--window",	"--stats",     "doctor",      "--list-losses",
					      "-v",	   "--version", "--native",    "--stack-copy"};
	struct child *help = profiler_run(5, "--help", NULL), *record = profiler_run(5, "record", "--help", NULL);
	struct child *version = profiler_run(5, "--version", NULL);

	cr_expect_eq(help->status, 0);
	cr_expect_str_empty(child_err(help));
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		cr_expect_not_null(strstr(child_out(help), options[i]), "--help is silent about %s", options[i]);
	cr_expect_eq(record->status, 0);
	cr_expect_not_null(strstr(child_out(record), "--duration"));
	cr_expect_eq(version->status, 0);
	cr_expect_eq(strncmp(child_out(version), "pyprof-bpf ", 11), 0, "%s", child_out(version));
	cr_expect_str_empty(child_err(version));
}

Test(command_line, losses_are_listed_word_by_word)
{
	struct child *child = profiler_run(5, "--list-losses", NULL);

	cr_expect_eq(child->status, 0);
	cr_expect_str_empty(child_err(child));
	expect_null_problem(check_loss_list(child_out(child)), "--list-losses");
}

Test(command_line, a_process_that_is_not_there_is_an_error)
{
	struct child *gone = child_start(NULL, (const char *[]){"true", NULL});

	child_wait(gone, 5);
	struct child *child = profiler_run(10, "-p", text_of("%d", gone->pid), "-o", "/dev/null", NULL);
	cr_expect_eq(child->status, 1);
	expect_null_problem(check_error_line(child_err(child)), "no such process");
	cr_expect_not_null(strstr(child_err(child), text_of("%d", gone->pid)), "which pid? %s", child_err(child));
}

Test(command_line, an_output_that_cannot_be_written_is_an_error_before_sampling)
{
	static const char *const options[] = {"-o", "--stats"};

	for (size_t i = 0; i < 2; i++) {
		double start = now_s();
		struct child *child = profiler_run(90, "--all", "-d", "60", options[i], "/no/such/directory/x.folded",
						   i ? "-o" : NULL, "/dev/null", NULL);
		cr_expect_eq(child->status, 1, "%s: %d", options[i], child->status);
		expect_null_problem(check_error_line(child_err(child)), "%s", options[i]);
		cr_expect_lt(now_s() - start, 50, "%s was not tried before sampling", options[i]);
	}
}

/* --- -- COMMAND --------------------------------------------------------- */

struct command_row {
	char command[100];
	int status;
};

ParameterizedTestParameters(command_line, the_status_is_the_commands)
{
	static const struct command_row rows[] = {
		{"exit 0", 0},		{"exit 7", 7},		{"exit 255", 255},
		{"kill -KILL $$", 137}, {"kill -TERM $$", 143}, {"kill -SEGV $$", 139},
	};
	size_t cnt = sizeof(rows) / sizeof(*rows);
	struct command_row *copy = cr_calloc(cnt, sizeof(*copy));

	memcpy(copy, rows, sizeof(rows));
	return cr_make_param_array(struct command_row, copy, cnt);
}

ParameterizedTest(struct command_row *row, command_line, the_status_is_the_commands)
{
	struct place place = place_in("/");
	const char *out = in_place(&place, "x.folded");
	struct child *child = profiler_run(20, "record", "-o", out, "--", "/bin/sh", "-c",
					   text_of("echo out; echo err >&2; %s", row->command), NULL);
	struct folded folded;

	cr_expect_eq(child->status, row->status, "'%s' gave %d: %s", row->command, child->status, child_err(child));
	cr_expect_str_eq(child_out(child), "out\n");
	cr_expect_not_null(strstr(child_err(child), "err\n"));
	cr_assert(file_exists(out), "no profile");
	expect_null_problem(folded_parse(file_text(out), &folded), "profile");
	cr_expect_eq(children_left(), 0, "something was left behind");
}

Test(command_line, a_command_that_is_not_there_is_127_and_one_that_cannot_run_is_126)
{
	struct place place = place_in("/");
	const char *plain = in_place(&place, "truth.py");
	struct child *missing = profiler_run(10, "-o", "/dev/null", "--", "/no/such/command", NULL);
	struct child *missing_in_path = profiler_run(10, "-o", "/dev/null", "--", "no-such-command-anywhere", NULL);
	struct child *not_executable;

	chmod(plain, 0644);
	not_executable = profiler_run(10, "-o", "/dev/null", "--", plain, NULL);
	cr_expect_eq(missing->status, 127);
	cr_expect_eq(missing_in_path->status, 127);
	cr_expect_eq(not_executable->status, 126);
	expect_null_problem(check_error_line(child_err(missing)), "missing");
	expect_null_problem(check_error_line(child_err(missing_in_path)), "missing in path");
	expect_null_problem(check_error_line(child_err(not_executable)), "not executable");
	cr_expect_eq(children_left(), 0);
}

/* The one file in place that matches; fails when there are none or more. */
static const char *only_file(const struct place *place, const char *pattern)
{
	glob_t found;

	cr_assert_eq(glob(in_place(place, pattern), 0, NULL, &found), 0, "no %s", pattern);
	cr_assert_eq(found.gl_pathc, 1, "%zu of %s", found.gl_pathc, pattern);
	return found.gl_pathv[0];
}

static void expect_svg(const char *path)
{
	const char *text = file_text(path);

	cr_assert_not_null(text, "no %s", path);
	cr_expect_not_null(strstr(text, "<svg"));
	cr_expect(is_utf8(text));
	size_t size = strlen(text);
	cr_expect(size > 7 && strstr(text + size - 8, "</svg>"), "%s does not end", path);
}

Test(command_line, a_command_without_output_leaves_a_flame_graph_here)
{
	struct place place = place_in("/");
	struct start how = {.directory = place.outside};
	struct child *child = profiler_start(&how, "--", "/bin/sh", "-c", "echo hello; exit 3", NULL);

	cr_expect_eq(child_wait(child, 20), 3);
	cr_expect_str_eq(child_out(child), "hello\n");
	const char *path = only_file(&place, "pyprof-bpf-*.svg");
	expect_svg(path);
	cr_expect_not_null(strstr(child_err(child), strrchr(path, '/') + 1), "stderr names no file: %s",
			   child_err(child));
}

Test(command_line, a_command_is_profiled_from_start_to_end)
{
	struct python python = python_any();
	struct place place = place_in("/");
	struct start how = {.directory = place.outside};
	struct python pythons[MAX_PYTHONS];
	size_t cnt = pythons_list(pythons, MAX_PYTHONS);

	/* One that needs no chroot, if there is one. */
	for (size_t i = 0; i < cnt; i++)
		if (!strcmp(pythons[i].root, "/"))
			python = pythons[i];
	bool here = !strcmp(python.root, "/");
	struct place inside = place_in(python.root);
	struct child *child = profiler_start(
		&how, "-F", "999", "-o", in_place(&place, "out.folded"), "--stats", in_place(&place, "stats.json"),
		"--", here ? python.path : "chroot", here ? text_of("%s/short.py", inside.inside) : python.root,
		here ? "0.5" : python.path, here ? NULL : text_of("%s/short.py", inside.inside), "0.5", NULL);

	cr_assert_eq(child_wait(child, 30), 0, "%s", child_err(child));
	double ns = strtod(child_out(child), NULL);
	struct profile profile = profile_read(&place);
	u64 burn = folded_count(&profile.folded, "burn (*");
	cr_expect((double)burn >= 0.95 * ns * 999e-9, "%llu samples of %.0f", (unsigned long long)burn, ns * 999e-9);
	cr_expect_gt(profile.folded.samples, burn, "the interpreter's start-up is missing");
}

Test(command_line, the_profile_is_written_when_its_time_is_over_and_the_command_goes_on)
{
	struct place place = place_in("/");
	const char *out = in_place(&place, "x.folded");
	struct child *child = profiler_start(NULL, "-d", "0.5", "-o", out, "--", "/bin/sh", "-c", "sleep 3; exit 5",
					     NULL);

	sleep_s(2);
	cr_expect(file_exists(out), "no profile after its time");
	cr_expect(child_is_running(child), "did not wait for the command");
	cr_expect_eq(child_wait(child, 10), 5);
}

static void expect_signal_passed_on(int signal, const char *name)
{
	struct place place = place_in("/");
	const char *out = in_place(&place, "x.folded");
	const char *script = text_of("trap 'exit 9' %s; echo ready; while :; do sleep 0.05; done", name);
	struct child *child = profiler_start(NULL, "-o", out, "--", "/bin/sh", "-c", script, NULL);
	struct folded folded;

	child_ready(child, 10);
	child_signal(child, signal);
	cr_expect_eq(child_wait(child, 10), 9, "%s: status %d: %s", name, child->status, child_err(child));
	cr_assert(file_exists(out), "%s: no profile", name);
	expect_null_problem(folded_parse(file_text(out), &folded), "%s", name);
}

Test(command_line, signals_are_passed_on_to_the_command)
{
	expect_signal_passed_on(SIGINT, "INT");
	expect_signal_passed_on(SIGTERM, "TERM");
}

Test(command_line, a_signal_ends_sampling_and_the_profile_is_written)
{
	static const int signals[] = {SIGINT, SIGTERM};
	struct place place = place_in("/");
	struct child *workload = native_start(&place, "native-fp", NULL);

	child_ready(workload, 10);
	for (size_t i = 0; i < 2; i++) {
		struct child *child = profiler_start(NULL, "--all", "-F", "999", "-o", in_place(&place, "out.folded"),
						     "--stats", in_place(&place, "stats.json"), NULL);
		profiler_sampling(child);
		sleep_s(0.5);
		child_signal(child, signals[i]);
		cr_expect_eq(child_wait(child, 10), 0, "%s", child_err(child));
		struct profile profile = profile_read(&place);
		cr_expect_gt(folded_of_pid(&profile.folded, workload->pid).samples, FEW);
	}
}

Test(command_line, under_sudo_the_command_and_the_files_are_the_users)
{
	struct place place = place_in("/");
	struct start how = {.directory = place.outside, .environment = {"SUDO_UID=65534", "SUDO_GID=65534"}};
	struct child *child = profiler_start(&how, "-o", "x.folded", "--stats", "stats.json", "--", "/bin/sh", "-c",
					     "id -u; id -g; id -G", NULL);
	struct stat status;

	cr_expect_eq(child_wait(child, 20), 0, "%s", child_err(child));
	cr_expect_str_eq(child_out(child), "65534\n65534\n65534\n");
	cr_assert_eq(stat(in_place(&place, "x.folded"), &status), 0);
	cr_expect_eq(status.st_uid, NOBODY);
	cr_expect_eq(status.st_gid, NOBODY);
	cr_assert_eq(stat(in_place(&place, "stats.json"), &status), 0);
	cr_expect_eq(status.st_uid, NOBODY);
}

/* --- outputs ------------------------------------------------------------ */

static const char *profile_with(const struct child *workload, const char *directory, const char *a, const char *b,
				const char *c, const char *d)
{
	struct start how = {.directory = directory};
	struct child *child = profiler_start(&how, "-p", text_of("%d", workload->pid), "-F", "999", "-d", "1", a, b, c,
					     d, NULL);

	cr_assert_eq(child_wait(child, 20), 0, "%s %s: %s", a, b, child_err(child));
	return child_out(child);
}

Test(command_line, the_suffix_chooses_the_format_and_the_option_overrides)
{
	struct place place = place_in("/");
	struct child *workload = native_start(&place, "native-fp", NULL);
	struct folded folded;

	child_ready(workload, 10);
	const char *out = profile_with(workload, place.outside, "-o", "-", NULL, NULL);
	expect_null_problem(folded_parse(out, &folded), "-o -");
	cr_expect_gt(folded.samples, FEW);

	profile_with(workload, place.outside, "-o", "plain", NULL, NULL);
	expect_null_problem(folded_parse(file_text(in_place(&place, "plain")), &folded), "-o plain");
	profile_with(workload, place.outside, "-o", "a.folded", NULL, NULL);
	expect_null_problem(folded_parse(file_text(in_place(&place, "a.folded")), &folded), "-o a.folded");
	profile_with(workload, place.outside, "-o", "b.svg", NULL, NULL);
	expect_svg(in_place(&place, "b.svg"));
	profile_with(workload, place.outside, "-o", "c.folded", "--format", "svg");
	expect_svg(in_place(&place, "c.folded"));
	profile_with(workload, place.outside, "-o", "d.png", "--format=folded", NULL);
	expect_null_problem(folded_parse(file_text(in_place(&place, "d.png")), &folded), "-o d.png --format=folded");
}

Test(command_line, frames_and_processes_can_be_merged)
{
	struct python python = python_any();
	struct place place = place_in(python.root), here = place_in("/");
	struct child *workload = python_start(&python, &place, "deep.py", NULL);

	child_ready(workload, 20);
	const char *out = profile_with(workload, here.outside, "-o", "-", "--no-lines", NULL);
	const char *frame = text_of(";deep (%s/deep.py);", place.inside);
	cr_expect_not_null(strstr(out, frame), "no '%s' in %s", frame, out);
	cr_expect_null(strstr(out, "deep.py:"));

	out = profile_with(workload, here.outside, "-o", "-", "--no-pid", NULL);
	cr_expect_not_null(strstr(out, ";deep ("));
	cr_expect_null(strstr(out, text_of("(%d)", workload->pid)), "--no-pid shows the pid: %.100s", out);

	out = profile_with(workload, here.outside, "-o", "-", "--threads", NULL);
	cr_expect_not_null(strstr(out, text_of("(%d);", workload->pid)));
	const char *second = strchr(out, ';');
	cr_assert_not_null(second);
	cr_expect_eq(frame_pid(strndup(second + 1, strcspn(second + 1, ";"))), workload->pid, "no thread in %.100s",
		     out);
}

Test(command_line, the_summary_says_what_the_stats_say)
{
	struct place place = place_in("/");
	struct child *workload = native_start(&place, "native-fp", NULL);

	child_ready(workload, 10);
	struct child *child = profiler_run(20, "-p", text_of("%d", workload->pid), "-d", "1.5", "-o",
					   in_place(&place, "out.folded"), "--stats", in_place(&place, "stats.json"),
					   NULL);
	cr_assert_eq(child->status, 0);
	struct profile profile = profile_read(&place);
	cr_expect_eq(stats_number(profile.stats, "hz", NULL), 99, "the default rate");
	double seconds = json_number_value(json_object_get(profile.stats, "seconds"));
	cr_expect(seconds > 1.4 && seconds < 2, "-d 1.5 took %g s", seconds);
	cr_expect_not_null(strstr(child_err(child), text_of("%llu", (unsigned long long)profile.folded.samples)), "%s",
			   child_err(child));
	cr_expect_str_empty(child_out(child));
}
