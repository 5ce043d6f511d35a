/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pyflame's command line: what its users' scripts rely on. */
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/e2e/harness.h"

E2E_SUITE(pyflame, 240);

static const char *pid_text(const struct child *child)
{
	return text_of("%d", child->pid);
}

static bool matches(const char *text, const char *pattern)
{
	regex_t regex;

	cr_assert_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE), 0);
	bool found = !regexec(&regex, text, 0, NULL, 0);
	regfree(&regex);
	return found;
}

static size_t lines_of(const char *text)
{
	size_t cnt = 0;

	for (; *text; text++)
		cnt += *text == '\n';
	return cnt;
}

#define FRAME_RE "[^:;]+:[^:;]+:[0-9]+"
#define FOLDED	 "^" FRAME_RE "(;" FRAME_RE ")* [0-9]+$"

/* Every line but those of the idle and the failed. */
static void expect_folded(const char *text)
{
	_Thread_local static char line[1 << 16];

	while (*text) {
		size_t size = strcspn(text, "\n");

		cr_assert_lt(size, sizeof(line));
		memcpy(line, text, size);
		line[size] = 0;
		cr_expect(*line == '(' || matches(line, FOLDED), "%s", line);
		text += size + (text[size] == '\n');
	}
}

/* How often a stack with this in it was seen; Pyflame's own tests ask likewise. */
static u64 count_of(const char *text, const char *what)
{
	u64 sum = 0;

	while (*text) {
		size_t size = strcspn(text, "\n");
		const char *found = strstr(text, what), *count = memrchr(text, ' ', size);

		if (found && found < text + size && count)
			sum += strtoull(count, NULL, 10);
		text += size + (text[size] == '\n');
	}
	return sum;
}

/* "IDENT:", "IDENT*:" */
static size_t headers_of(const char *dump)
{
	size_t cnt = 0;

	for (const char *line = dump; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *end = line + strspn(line, "0123456789");

		cnt += end > line && (end[0] == ':' || (end[0] == '*' && end[1] == ':'));
	}
	return cnt;
}

ParameterizedTestParameters(pyflame, a_dump_is_byte_for_byte_what_the_process_says_of_itself)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, pyflame, a_dump_is_byte_for_byte_what_the_process_says_of_itself)
{
	struct place place = place_in(python->root);
	struct child *workload = python_start(python, &place, "parked.py", NULL);

	child_ready(workload, 30);
	sleep_s(0.2); /* the thread that observed ends */
	const char *said = child_out(workload);
	const char *truth = text_of("%.*s", (int)(strstr(said, "ready\n") - said), said);
	struct child *pyflame = profiler_run(20, "pyflame", "-d", "-p", pid_text(workload), NULL);
	cr_expect_eq(child_wait(pyflame, 1), 0);
	cr_expect_str_eq(child_out(pyflame), truth, "%s", python->name);
	cr_expect_str_eq(child_err(pyflame), "");
	/* And it is what `dump` prints when nothing else is asked. */
	cr_expect_str_eq(child_out(profiler_run(20, "dump", "-p", pid_text(workload), NULL)), truth, "%s",
			 python->name);
}

ParameterizedTestParameters(pyflame, the_thread_that_has_the_gil_has_a_star)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, pyflame, the_thread_that_has_the_gil_has_a_star)
{
	struct place place = place_in(python->root);
	struct child *workload = python_start(python, &place, "parked.py", "spin", NULL);

	child_ready(workload, 30);
	const char *dump = child_out(profiler_run(20, "pyflame", "-d", "-p", pid_text(workload), NULL));
	if (!python_has_gil(python)) {
		cr_expect_null(strchr(dump, '*'), "%s: %s", python->name, dump);
		return;
	}
	cr_expect(matches(dump, "^[0-9]+\\*:$"), "%s: %s", python->name, dump);
	const char *star = strstr(dump, "*:\n");
	cr_assert_not_null(star);
	cr_expect(matches(text_of("%.*s", (int)strcspn(star + 3, "\n"), star + 3), ":spin:[0-9]+$"), "%s: %s",
		  python->name, dump);
	cr_expect_null(strstr(star + 1, "*:"), "%s", dump);
	cr_expect_eq(headers_of(dump), 5, "%s: %s", python->name, dump);
}

/* A busy process, sampled: as many samples as there is time for, each once. */
ParameterizedTestParameters(pyflame, samples_are_those_of_the_thread_that_has_the_gil)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, pyflame, samples_are_those_of_the_thread_that_has_the_gil)
{
	struct place place = place_in(python->root);
	struct child *workload = python_start(python, &place, "parked.py", "spin", NULL);

	child_ready(workload, 30);
	struct child *pyflame = profiler_run(20, "pyflame", "-s", "1", "-p", pid_text(workload), NULL);
	const char *text = child_out(pyflame);
	cr_expect_eq(child_wait(pyflame, 1), 0);
	cr_expect_str_eq(child_err(pyflame), "");
	expect_folded(text);
	cr_expect_gt(count_of(text, ":spin:"), 20, "%s: %s", python->name, text);
	cr_expect_eq(count_of(text, ":sleep_a:"), 0, "%s: %s", python->name, text);
}

static struct child *parked(const char *how)
{
	struct python python = python_any();
	struct place place = place_in(python.root);
	struct child *workload = python_start(&python, &place, "parked.py", how, NULL);

	child_ready(workload, 30);
	sleep_s(0.2);
	return workload;
}

Test(pyflame, with_threads_sleepers_count_like_all_others)
{
	struct child *workload = parked("spin");
	const char *text = child_out(
		profiler_run(20, "pyflame", "--threads", "-s", "1", "-p", pid_text(workload), NULL));
	u64 a = count_of(text, ":sleep_a:"), b = count_of(text, ":sleep_b:"), spin = count_of(text, ":spin:");

	expect_folded(text);
	cr_expect_gt(a, 20, "%s", text);
	cr_expect_eq(a, b, "%s", text);
	cr_expect_geq(a, spin);
	cr_expect_geq(10 * spin, 9 * a, "%s", text);
}

Test(pyflame, no_seconds_are_one_sample)
{
	struct child *workload = parked("spin");
	const char *text = child_out(profiler_run(20, "pyflame", "-s", "0", "-p", pid_text(workload), NULL));

	cr_expect_eq(lines_of(text), 1, "%s", text);
	cr_expect(matches(text, ":spin:[0-9]+ 1$"), "%s", text);
}

Test(pyflame, a_process_that_sleeps_is_idle_unless_idle_time_is_excluded)
{
	const char *pid = pid_text(parked(NULL));
	const char *text = child_out(profiler_run(20, "pyflame", "-s", "0.5", "-p", pid, NULL));

	cr_expect(matches(text, "^\\(idle\\) [0-9]+$"), "%s", text);
	cr_expect_eq(lines_of(text), 1, "%s", text);
	cr_expect_str_eq(child_out(profiler_run(20, "pyflame", "-x", "-s", "0.5", "-p", pid, NULL)), "");
}

Test(pyflame, lines_may_be_left_out)
{
	const char *text = child_out(
		profiler_run(20, "pyflame", "-n", "-s", "0.2", "-p", pid_text(parked("spin")), NULL));

	cr_expect(matches(text, "^[^:;]+:[^:;]+(;[^:;]+:[^:;]+)*;[^:;]+:spin [0-9]+$"), "%s", text);
}

Test(pyflame, a_flame_chart_has_the_time_of_each_sample)
{
	const char *text = child_out(
		profiler_run(20, "pyflame", "--flamechart", "-s", "0.5", "-p", pid_text(parked("spin")), NULL));
	u64 before = 0, cnt = 0;

	while (*text) {
		char *end;
		u64 time_us = strtoull(text, &end, 10);

		cr_assert_eq(*end, '\n', "%s", text);
		cr_expect_gt(time_us, before);
		cr_assert_lt(time_us, (u64)(2e6 * 1e9));
		before = time_us;
		text = end + 1;
		size_t size = strcspn(text, "\n");
		cr_assert(*text == '(' || (size && text[size - 1] == ';'), "%s", text);
		text += size + 1;
		cnt++;
	}
	cr_expect_gt(cnt, 10);
}

Test(pyflame, an_old_command_line_with_the_process_at_its_end_works_with_a_warning)
{
	struct child *pyflame = profiler_run(20, "pyflame", "-s", "0", pid_text(parked("spin")), NULL);

	cr_expect_eq(child_wait(pyflame, 1), 0);
	cr_expect_eq(lines_of(child_out(pyflame)), 1);
	cr_expect_eq(strncmp(child_err(pyflame), "WARNING: ", 9), 0, "%s", child_err(pyflame));
}

Test(pyflame, a_command_is_sampled_until_it_ends)
{
	struct python python = python_any();
	struct place place = place_in(python.root);
	const char *script = in_place(&place, "hello.py");
	FILE *out = fopen(script, "w");

	cr_assert_not_null(out);
	fputs("import time\ndef busy():\n    end = time.time() + 1\n    while time.time() < end: pass\nbusy()\n", out);
	fclose(out);
	/* From outside of its root, if it has one: chroot is a command like others, and becomes the Python. */
	struct child *pyflame = profiler_run(30, "pyflame", "-t", "chroot", python.root, python.path,
					     text_of("%s/hello.py", place.inside), NULL);
	cr_expect_eq(child_wait(pyflame, 1), 0, "%s", child_err(pyflame));
	cr_expect_str_eq(child_err(pyflame), "");
	expect_folded(child_out(pyflame));
	cr_expect_gt(count_of(child_out(pyflame), ":busy:"), 10, "%s", child_out(pyflame));
}

Test(pyflame, a_target_that_ends_leaves_what_was_seen)
{
	struct child *workload = parked("spin");
	struct child *pyflame = profiler_start(NULL, "pyflame", "-s", "60", "-p", pid_text(workload), NULL);

	sleep_s(1.5);
	child_kill(workload);
	cr_expect_eq(child_wait(pyflame, 10), 0);
	cr_expect_str_eq(child_err(pyflame), "");
	cr_expect_gt(count_of(child_out(pyflame), ":spin:"), 10);
}

Test(pyflame, an_interrupt_leaves_what_was_seen)
{
	struct child *pyflame = profiler_start(NULL, "pyflame", "-s", "60", "-p", pid_text(parked("spin")), NULL);

	sleep_s(1.5);
	child_signal(pyflame, SIGINT);
	cr_expect_eq(child_wait(pyflame, 10), 0);
	cr_expect_gt(count_of(child_out(pyflame), ":spin:"), 10);
}

Test(pyflame, a_file_takes_the_output)
{
	struct python python = python_any();
	struct place place = place_in(python.root);
	const char *path = in_place(&place, "out.txt");
	struct child *pyflame = profiler_run(20, "pyflame", "-s", "0", "-o", path, "-p", pid_text(parked("spin")),
					     NULL);

	cr_expect_eq(child_wait(pyflame, 1), 0);
	cr_expect_str_eq(child_out(pyflame), "");
	cr_expect_eq(lines_of(file_text(path)), 1);
}

Test(pyflame, errors_begin_as_pyflame_s_do)
{
	static const struct {
		const char *args[6];
		const char *message;
	} wrong[] = {
		{{"-p", "999999999"}, "Failed to seize PID 999999999"},
		{{"-p", "-1"}, "Error: failed to parse \"-1\" as a PID."},
		{{"-p", "0"}, "Error: failed to parse"},
		{{"-p", "1606938044258990275541962092341162602522202993782792835301376"}, "Error: failed to parse"},
		{{"-p", "not a pid"}, "Error: failed to parse \"not a pid\" as a PID."},
		{{NULL}, "Usage: "},
		{{"1", "2"}, "Usage: "},
		{{"-p", "1", "-t", "true"}, "Options -t and -p are not mutually compatible."},
		{{"-d", "-t", "true"}, "Options -t and -d are not mutually compatible."},
		{{"-t"}, "Option -t requires a command to run."},
		{{"-t", "./pyflame"}, "You tried to pyflame a pyflame, naughty!"},
		{{"-t", "/no/such/file"}, "execvp() failed for: /no/such/file"},
		{{"-t", "sleep", "1"}, "Failed to locate libpython within timeout period."},
		{{"-t", "true"}, "Child process exited with status: 0\n"},
		{{"-t", "sh", "-c", "exit 7"}, "Child process exited with status: 7\n"},
		{{"-r", "0", "-p", "1"}, "Error: failed to parse \"0\" as a sample interval"},
		{{"-r", "-1", "-p", "1"}, "Error: failed to parse \"-1\" as a sample interval"},
		{{"-r", "nan", "-p", "1"}, "Error: failed to parse \"nan\" as a sample interval"},
		{{"-s", "1e300", "-p", "1"}, "Error: failed to parse \"1e300\" as a number of seconds"},
		{{"--abi=38x", "-p", "1"}, "Unknown or unsupported ABI version: 38x"},
		{{"--abi=35", "-p", "1"}, "Unknown or unsupported ABI version: 35"},
		{{"--abi=0", "-p", "1"}, "Unknown or unsupported ABI version: 0"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		const char *const *a = wrong[i].args;
		struct child *pyflame = profiler_run(20, "pyflame", a[0], a[0] ? a[1] : NULL,
						     a[0] && a[1] ? a[2] : NULL, a[0] && a[1] && a[2] ? a[3] : NULL,
						     NULL);

		cr_expect_eq(child_wait(pyflame, 1), 1, "%s", wrong[i].message);
		cr_expect_str_eq(child_out(pyflame), "");
		cr_expect_eq(strncmp(child_err(pyflame), wrong[i].message, strlen(wrong[i].message)), 0, "%s: %s",
			     wrong[i].message, child_err(pyflame));
	}
}

Test(pyflame, a_zombie_is_told_from_a_process_that_may_not_be_read)
{
	siginfo_t info;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	cr_assert_eq(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
	struct child *pyflame = profiler_run(20, "pyflame", "-p", text_of("%d", pid), NULL);
	cr_expect_eq(child_wait(pyflame, 1), 1);
	cr_expect_str_eq(child_err(pyflame),
			 text_of("Failed to seize PID %d: it has no memory of its own: it has ended (a zombie), or is "
				 "a kernel thread\n",
				 pid));
	waitpid(pid, NULL, 0);
}

Test(pyflame, who_reads_no_more_is_no_signal_and_no_message)
{
	static const char *const lines[] = {"pyflame -d -p", "pyflame -s 0 -p", "dump -p", "dump -f text -p"};
	const char *pid = pid_text(parked(NULL));

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		const char *pipe = text_of("set -o pipefail; { sleep 0.3; exec '%s' %s %s; } | true", profiler_path(),
					   lines[i], pid);
		struct child *bash = child_start(NULL, (const char *[]){"bash", "-c", pipe, NULL});

		cr_expect_eq(child_wait(bash, 10), 1, "%s", lines[i]);
		cr_expect_str_eq(child_err(bash), "", "%s", lines[i]);
	}
}

Test(pyflame, it_answers_to_its_name)
{
	struct place place = place_in("/");
	struct start how = {0};
	const char *link = in_place(&place, "pyflame");
	char *path = realpath(profiler_path(), NULL);

	cr_assert_eq(symlink(path, link), 0);
	free(path);
	struct child *pyflame = child_start(&how, (const char *[]){link, "-v", NULL});
	cr_expect_eq(child_wait(pyflame, 10), 0);
	cr_expect(matches(child_out(pyflame), "^pyflame [0-9]+\\.[0-9]+\\.[0-9]+ [^ ]+ [^ ]+ \\(ABI list: .+\\)$"),
		  "%s", child_out(pyflame));
}
