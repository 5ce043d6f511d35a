/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every case of tests/golden/dump in every format: input.json (json_format.c says how
 * it reads) must give expected.pyflame and expected.text, and itself again as JSON.
 * With UPDATE_GOLDEN set in the environment expected.text is written instead; what
 * Pyflame prints is never ours to record.
 */
#include "report/dump_format.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "build_snapshot.h"
#include "report/thread_words.h"

#define GOLDEN	  "tests/golden/dump"
#define FILE_SIZE (1 << 20)

static const struct dump_view plain = {0};

static void json_cleanup_(json_t **json)
{
	json_decref(*json);
}

/* To be freed. */
static char *written(const char *format, const struct snapshot *const *snapshots, size_t cnt,
		     const struct dump_view *view)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	cr_assert_eq(dump_write(dump_format_find(format), snapshots, cnt, view, out), 0);
	fclose(out);
	cr_assert_eq(strlen(text), size, "a NUL in the output");
	return text;
}

static char *written_text(const char *format, const char *snapshot_text, const struct dump_view *view)
{
	_cleanup_(snapshot) struct snapshot *snapshot = snapshot_of_text(snapshot_text);

	return written(format, (const struct snapshot *const[]){snapshot}, 1, view);
}

static void expect_in(const char *text, const char *part)
{
	cr_assert(strstr(text, part), "no \"%s\" in\n%s", part, text);
}

static void expect_not_in(const char *text, const char *part)
{
	cr_assert_null(strstr(text, part), "\"%s\" in\n%s", part, text);
}

/* ---- the table ---- */

Test(dump_formats, are_found_by_name_and_pyflame_comes_first)
{
	cr_assert_str_eq(dump_formats[0].name, "pyflame");
	cr_assert_str_eq(dump_format_find("json")->name, "json");
	cr_assert_null(dump_format_find("yaml"));
	cr_assert_null(dump_format_find(""));
}

Test(dump_formats, a_full_disk_is_an_error)
{
	_cleanup_(snapshot) struct snapshot *snapshot = snapshot_of_text(
		"{'pid': 1, 'threads': [{'tid': 1, 'ident': 1}]}");
	_cleanup_(stream) FILE *full = fopen("/dev/full", "w");

	cr_assert_eq(dump_write(dump_format_find("text"), (const struct snapshot *const[]){snapshot}, 1, &plain, full),
		     -ENOSPC);
}

/* ---- pyflame ---- */

#define TWO_THREADS                                                                                      \
	"{'pid': 1, 'threads': ["                                                                        \
	"{'tid': 2, 'ident': 200, 'holds_gil': true, 'frames': ["                                        \
	"  {'kind': 'native', 'func': 'read', 'file': 'libc.so.6'},"                                     \
	"  {'func': 'g', 'qualname': 'A.g', 'file': 'b.py', 'line': 7},"                                 \
	"  {'kind': 'loss', 'func': '[truncated: python-fault]'}]},"                                     \
	"{'tid': 3, 'ident': 300, 'frames': [{'kind': 'native', 'func': 'poll', 'file': 'libc.so.6'}]}," \
	"{'tid': 4, 'ident': null, 'comm': 'jemalloc'},"                                                 \
	"{'tid': 1, 'ident': 100, 'frames': [{'func': 'f', 'file': 'a:b.py', 'line': 1}]}]}"

Test(dump_formats, pyflame_has_plain_names_of_python_frames_and_leaves_other_threads_out)
{
	_cleanup_(free) char *text = written_text("pyflame", TWO_THREADS, &plain);

	cr_assert_str_eq(text, "200*:\nb.py:g:7\n\n100:\na:b.py:f:1\n");
}

Test(dump_formats, pyflame_prints_nothing_when_no_thread_runs_python)
{
	_cleanup_(free) char *text = written_text("pyflame", "{'pid': 1}", &plain);

	cr_assert_str_eq(text, "");
}

Test(dump_formats, pyflame_keeps_processes_apart_as_it_does_threads)
{
	_cleanup_(snapshot) struct snapshot *one = snapshot_of_text(TWO_THREADS);
	_cleanup_(snapshot) struct snapshot *none = snapshot_of_text("{'pid': 9}");
	const struct snapshot *const all[] = {none, one, none, one};
	_cleanup_(free) char *text = written("pyflame", all, 4, &(struct dump_view){.many = true});

	cr_assert_str_eq(text, "200*:\nb.py:g:7\n\n100:\na:b.py:f:1\n\n200*:\nb.py:g:7\n\n100:\na:b.py:f:1\n");
}

/* ---- text ---- */

#define STARTED                                                                                               \
	"{'pid': 1, 'threads': [{'tid': 2, 'ident': 200, 'name': 'w', 'state': 'on-cpu', 'frames': ["         \
	"  {'func': 'inner', 'file': '/x.py', 'line': 3, 'locals': [{'name': 'n', 'value': '5'}]},"           \
	"  {'func': '_call_with_frames_removed', 'file': '<frozen importlib._bootstrap>', 'line': 241},"      \
	"  {'func': 'outer', 'file': '/x.py', 'line': 2},"                                                    \
	"  {'func': 'run', 'qualname': 'Thread.run', 'file': '/usr/lib/python3.11/threading.py', 'line': 9}," \
	"  {'func': '_bootstrap', 'file': '/usr/lib/python3.11/threading.py', 'line': 1}]}]}"

Test(dump_formats, text_reads_like_a_traceback_without_how_threads_and_imports_start)
{
	_cleanup_(free) char *text = written_text("text", STARTED, &plain);

	expect_in(text, "Stacks: most recent call last.\n");
	expect_in(text, "Thread 2 \"w\" (ident 200): on CPU 0\n"
			"    outer (/x.py:2)\n"
			"    inner (/x.py:3)\n"
			"        n = 5\n"
			"\n");
	expect_in(text, " 3 frames that only start threads or imports are left out.");
}

Test(dump_formats, text_shows_the_innermost_call_first_and_all_frames_when_asked)
{
	_cleanup_(free) char *text = written_text("text", STARTED,
						  &(struct dump_view){.leaf_first = true, .whole = true});

	expect_in(text, "Stacks: most recent call first.\n");
	expect_in(text, "    inner (/x.py:3)\n"
			"        n = 5\n"
			"    _call_with_frames_removed (<frozen importlib._bootstrap>:241)\n"
			"    outer (/x.py:2)\n"
			"    Thread.run (/usr/lib/python3.11/threading.py:9)\n"
			"    _bootstrap (/usr/lib/python3.11/threading.py:1)\n");
	expect_not_in(text, "left out");
}

Test(dump_formats, text_of_a_thread_that_only_starts_shows_where)
{
	_cleanup_(free) char *text = written_text(
		"text",
		"{'pid': 1, 'threads': [{'tid': 2, 'ident': 200, 'frames': ["
		"{'kind': 'native', 'func': 'sem_wait', 'file': 'libc.so.6'},"
		"{'func': '_bootstrap_inner', 'file': '/usr/lib/python3.11/threading.py', 'line': 5},"
		"{'func': '_bootstrap', 'file': '/usr/lib/python3.11/threading.py', 'line': 1}]}]}",
		&plain);

	expect_in(text, "    _bootstrap_inner (/usr/lib/python3.11/threading.py:5)\n    [C] sem_wait (libc.so.6)\n");
}

Test(dump_formats, text_keeps_a_function_that_is_only_called_like_those)
{
	_cleanup_(free) char *text = written_text("text",
						  "{'pid': 1, 'threads': [{'tid': 2, 'ident': 200, 'frames': ["
						  "{'func': 'f', 'file': '/x.py', 'line': 5},"
						  "{'func': 'run', 'file': '/srv/mythreading.py', 'line': 1}]}]}",
						  &plain);

	expect_in(text, "    run (/srv/mythreading.py:1)\n    f (/x.py:5)\n");
}

Test(dump_formats, text_has_colours_only_when_asked)
{
	_cleanup_(free) char *grey = written_text("text", TWO_THREADS, &plain);
	_cleanup_(free) char *colourful = written_text("text", TWO_THREADS, &(struct dump_view){.colour = true});

	cr_assert_null(strchr(grey, '\033'));
	expect_in(colourful, "\033[33mholds the GIL\033[0m");
}

Test(dump_formats, text_cuts_a_long_command_line_between_characters)
{
	STRBUF(input);

	strbuf_put(&input, "{'pid': 1, 'command_line': '");
	for (int i = 0; i < 299; i++)
		strbuf_put_char(&input, 'x');
	strbuf_put(&input, "\u00e9\u00e9'}");
	_cleanup_(free) char *text = written_text("text", input.at, &plain);

	expect_in(text, "xxx ... (4 bytes more)\n");
	expect_not_in(text, "\u00e9");
}

Test(dump_formats, a_terminal_is_safe_from_what_a_process_calls_its_things)
{
	const struct dump_variable variable = {.name = "v\n", .value = "\033[31m\xff"};
	const struct dump_frame frame = {.kind = FRAME_PYTHON,
					 .function = "f\ng",
					 .qualname = "q\033]0;x\007",
					 .file = "\x9b\xc2\x9b",
					 .variables = &variable,
					 .variable_cnt = 1};
	struct dump_thread thread = {.tid = 1,
				     .ident = 1,
				     .state = 1,
				     .name = "\r\nThread 2",
				     .loss = LOSS_NONE,
				     .taken = TAKEN_AT_REST,
				     .frames = &frame,
				     .frame_cnt = 1,
				     .python_cnt = 1,
				     .wait = {.kind = WAIT_FD, .syscall = "read", .on = "/tmp/a\nb"}};
	const struct dump_task task = {
		.address = 1, .name = "t\n", .state = "waiting", .frames = &frame, .frame_cnt = 1};
	const struct snapshot snapshot = {.command_line = "sh\n-c\t\033c",
					  .exe = "/\n",
					  .cgroup = "/\xc3",
					  .threads = &thread,
					  .thread_cnt = 1,
					  .tasks = &task,
					  .task_cnt = 1};

	memset(thread.comm, 'c', sizeof(thread.comm)); /* no NUL at its end */
	for (const struct dump_format *format = dump_formats; format->name; format++) {
		_cleanup_(free) char *text = written(format->name, (const struct snapshot *const[]){&snapshot}, 1,
						     &(struct dump_view){.many = true});
		STRBUF(clean);

		for (const char *at = text; *at; at++)
			cr_assert(*at == '\n' || (unsigned char)*at >= 0x20, "%s: %d", format->name, *at);
		for (char *at = text; (at = strchr(at, '\n'));)
			*at = ' ';
		strbuf_put_clean(&clean, text, strlen(text));
		cr_assert_str_eq(clean.at, text, "%s is not UTF-8", format->name);
		expect_not_in(text, "  Thread 2");
	}
}

#define TASKS(read)                                                                                         \
	"{'pid': 1, 'threads': [{'tid': 1, 'ident': 1, 'name': 'm'}], 'tasks_read': '" read "', 'tasks': [" \
	"{'address': '0x10', 'loop': 1, 'name': 'deep', 'state': 'waiting', 'cut': true, 'frames': ["       \
	"  {'func': 'inner', 'file': '/x.py', 'line': 3}, {'func': 'outer', 'file': '/x.py', 'line': 2}]}]}"

Test(dump_formats, tasks_that_are_missing_and_frames_of_tasks_that_are_are_told_of)
{
	_cleanup_(free) char *all = written_text("text", TASKS("all"), &plain);
	_cleanup_(free) char *some = written_text("text", TASKS("some"), &(struct dump_view){.leaf_first = true});
	_cleanup_(free) char *unsupported = written_text("text", "{'pid': 1, 'tasks_read': 'unsupported'}", &plain);
	_cleanup_(free) char *json = written_text("json", TASKS("some"), &plain);

	expect_in(all, "    deep: waiting\n"
		       "        outer (/x.py:2)\n"
		       "        inner (/x.py:3)\n"
		       "        [its innermost coroutines are left out: there are too many]\n");
	expect_not_in(all, "missing");
	expect_in(some, "    deep: waiting\n"
			"        [its innermost coroutines are left out: there are too many]\n"
			"        inner (/x.py:3)\n"
			"        outer (/x.py:2)\n");
	expect_in(some, "\nTasks of asyncio may be missing: ");
	expect_in(unsupported, "\nTasks of asyncio are not known of this CPython");
	expect_in(json, "\"tasks_read\": \"some\"");
	expect_in(json, "\"cut\": true");
}

/* ---- several ---- */

Test(dump_formats, many_processes_begin_with_a_table)
{
	_cleanup_(snapshot) struct snapshot *one = snapshot_of_text(
		"{'pid': 7, 'python': '3.13.0', 'cgroup': '/a.slice', 'threads': ["
		"{'tid': 8, 'ident': 8, 'name': 'w', 'holds_gil': true,"
		"  'frames': [{'func': 'f', 'qualname': 'C.f', 'file': '/x.py', 'line': 3}]},"
		"{'tid': 7, 'ident': 7, 'is_main': true}, {'tid': 9, 'ident': null}]}");
	_cleanup_(snapshot) struct snapshot *starting = snapshot_of_text(
		"{'pid': 4711, 'python': '3.8.1', 'phase': 'starting'}");
	const struct snapshot *const all[] = {one, starting};
	_cleanup_(free) char *text = written("text", all, 2, &(struct dump_view){.many = true});

	expect_in(text, " PID  PYTHON  THREADS  GIL  WHERE          CGROUP\n");
	expect_in(text, "   7  3.13.0        2  \"w\"  C.f (/x.py:3)  /a.slice\n");
	expect_in(text, "4711  3.8.1         0  -    starting       -\n");
	expect_in(text, "\nProcess 7: ");
	expect_in(text, "\nProcess 4711: ");
	expect_in(text, "Its interpreter is not initialised yet.\n");
}

Test(dump_formats, who_had_the_gil_is_shown_wherever_its_holder_is)
{
	_cleanup_(snapshot) struct snapshot *snapshot = snapshot_of_text(
		"{'pid': 7, 'python': '3.13.0', 'threads': ["
		"{'tid': 8, 'ident': 80, 'name': 'idle', 'wait': {'kind': 'gil'},"
		"  'frames': [{'func': 'f', 'file': '/x.py', 'line': 3}]},"
		"{'tid': 9, 'ident': 90, 'name': 'busy', 'had_gil': true, 'wait': {'kind': 'gil'},"
		"  'frames': [{'func': 'f', 'file': '/x.py', 'line': 3}]},"
		"{'tid': 10, 'ident': 100, 'name': 'idle too', 'wait': {'kind': 'gil'},"
		"  'frames': [{'func': 'f', 'file': '/x.py', 'line': 3}]}]}");
	const struct snapshot *const all[] = {snapshot};
	const struct dump_view many = {.many = true};
	_cleanup_(free) char *pyflame = written("pyflame", all, 1, &many);
	_cleanup_(free) char *text = written("text", all, 1, &many);

	cr_assert_str_eq(pyflame, "80:\n/x.py:f:3\n\n90*:\n/x.py:f:3\n\n100:\n/x.py:f:3\n");
	expect_in(text, "  7  3.13.0        3  \"busy\"  f (/x.py:3)  -\n");
	expect_in(text, "Thread 9 \"busy\" (ident 90), had the GIL when this began: ");
	expect_in(text, "2 threads like this: ");
}

Test(dump_formats, a_process_that_could_not_be_looked_into_says_why)
{
	static const struct {
		int err;
		const char *name, *sentence;
	} cases[] = {
		{-EPERM, "no rights", "Its memory may not be read"},
		{-EBUSY, "debugged", "A debugger is attached to it"},
		{-EFAULT, "unreadable", "Its memory cannot be read"},
		{-EIO, "failed", "It could not be dumped."},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_(snapshot) struct snapshot *snapshot = snapshot_of_text(
			"{'pid': 7, 'python': '3.13.0', 'phase': 'starting'}");
		const struct snapshot *const all[] = {snapshot};
		const struct dump_view many = {.many = true};
		STRBUF(line);

		snapshot->err = cases[i].err;
		_cleanup_(free) char *text = written("text", all, 1, &many);
		_cleanup_(free) char *json = written("json", all, 1, &many);
		strbuf_printf(&line, "0  -    %s", cases[i].name);
		expect_in(text, line.at);
		expect_in(text, cases[i].sentence);
		expect_not_in(text, "It has no Python threads.");
		expect_not_in(text, "not initialised");
		strbuf_clear(&line);
		strbuf_printf(&line, "\"error\": \"%s\"", cases[i].name);
		expect_in(json, line.at);
	}
}

Test(dump_formats, json_of_many_is_one_document_even_of_one_or_none)
{
	_cleanup_(snapshot) struct snapshot *one = snapshot_of_text("{'pid': 7}");
	const struct snapshot *const all[] = {one};

	for (size_t cnt = 0; cnt <= 1; cnt++) {
		_cleanup_(free) char *text = written("json", all, cnt, &(struct dump_view){.many = true});
		_cleanup_(json) json_t *json = json_loads(text, 0, NULL);

		cr_assert_eq(json_array_size(json_object_get(json, "processes")), cnt);
	}
}

Test(dump_formats, json_of_one_process_has_the_members_that_scripts_read)
{
	_cleanup_(free) char *text = written_text(
		"json",
		"{'pid': 7, 'python': '3.13.0', 'threads': [{'tid': 8, 'ident': 140192592971456, 'name': 'w',"
		" 'wait': {'kind': 'gil', 'ns': 5, 'owner': 9},"
		" 'frames': [{'func': 'f', 'file': 'x', 'line': 3, 'locals': [{'name': 'a', 'value': '1'}]}]}]}",
		&plain);
	_cleanup_(json) json_t *json = json_loads(text, 0, NULL);
	int version, pid, tid, interp, holds_gil, line;
	json_int_t ident, ns, owner;
	const char *python, *name, *state, *kind, *frame_kind, *function, *file, *variable;

	cr_assert_eq(json_unpack(json,
				 "{s:i, s:i, s:s, s:[{s:I, s:i, s:s, s:i, s:b, s:s, s:{s:s, s:I, s:n, s:I},"
				 " s:[{s:s, s:s, s:s, s:i, s:[{s:s}]}]}]}",
				 "version", &version, "pid", &pid, "python", &python, "threads", "ident", &ident, "tid",
				 &tid, "name", &name, "interp", &interp, "holds_gil", &holds_gil, "state", &state,
				 "wait", "kind", &kind, "ns", &ns, "on", "owner", &owner, "frames", "kind", &frame_kind,
				 "func", &function, "file", &file, "line", &line, "locals", "name", &variable),
		     0);
	cr_assert_eq(version, 1);
	cr_assert_eq(ident, 140192592971456);
	cr_assert_str_eq(python, "3.13.0");
	cr_assert_str_eq(state, "waiting");
	cr_assert_str_eq(frame_kind, "python");
	cr_assert_eq(owner, 9);
}

/* ---- goldens ---- */

static char *golden_read(const char *name, const char *file)
{
	char path[512], *text;
	size_t size;

	snprintf(path, sizeof(path), GOLDEN "/%s/%s", name, file);
	cr_assert_eq(file_read(path, FILE_SIZE, &text, &size), 0, "%s is missing", path);
	return text;
}

static void golden_record(const char *name, const char *text)
{
	char path[512];

	snprintf(path, sizeof(path), GOLDEN "/%s/expected.text", name);
	_cleanup_(stream) FILE *file = fopen(path, "w");
	cr_assert(file && fputs(text, file) >= 0);
}

static void golden_check(const char *name)
{
	_cleanup_(free) char *input = golden_read(name, "input.json");
	_cleanup_(json) json_t *json = json_loads(input, JSON_REJECT_DUPLICATES, NULL);
	cr_assert(json, "%s", name);
	_cleanup_(snapshot) struct snapshot *snapshot = snapshot_of_json(json);
	const struct snapshot *const all[] = {snapshot};

	_cleanup_(free) char *pyflame = written("pyflame", all, 1, &plain);
	_cleanup_(free) char *expected_pyflame = golden_read(name, "expected.pyflame");
	cr_assert_str_eq(pyflame, expected_pyflame, "%s", name);

	_cleanup_(free) char *again = written("json", all, 1, &plain);
	_cleanup_(json) json_t *json_again = json_loads(again, JSON_REJECT_DUPLICATES, NULL);
	cr_assert(json_equal(json, json_again), "%s/input.json does not come back", name);

	_cleanup_(free) char *text = written("text", all, 1, &plain);
	if (getenv("UPDATE_GOLDEN"))
		return golden_record(name, text);
	_cleanup_(free) char *expected_text = golden_read(name, "expected.text");
	cr_assert_str_eq(text, expected_text, "%s", name);
}

Test(golden, every_dump_is_written_as_it_was_reviewed)
{
	_cleanup_(directory) DIR *golden = opendir(GOLDEN);
	struct dirent *entry;
	int cnt = 0;

	cr_assert(golden, "run me from the top of the tree");
	for (; (entry = readdir(golden)); cnt++)
		if (entry->d_name[0] != '.')
			golden_check(entry->d_name);
	cr_assert_geq(cnt, 2 + 5);
}

/* ---- words ---- */

Test(thread_words, durations_are_cut_and_have_two_units_at_most)
{
	static const struct {
		u64 ns;
		const char *text;
	} cases[] = {
		{0, "0.0 ms"},
		{1250000, "1.2 ms"},
		{9999999, "9.9 ms"},
		{10000000, "10 ms"},
		{999999999, "999 ms"},
		{1000000000, "1.0 s"},
		{12449000000, "12.4 s"},
		{59999999999, "59.9 s"},
		{60000000000, "1 min 0 s"},
		{3599999999999, "59 min 59 s"},
		{3600000000000, "1 h 0 min"},
		{86400000000000, "1 d 0 h"},
		{(u64)-1, "213503 d 23 h"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		STRBUF(text);

		duration_put(cases[i].ns, &text);
		cr_assert_str_eq(text.at, cases[i].text);
	}
}

Test(thread_words, versions_are_those_of_sys_version_info)
{
	static const struct {
		u32 version;
		const char *text;
	} cases[] = {
		{0x030b02f0, "3.11.2"}, {0x020712f0, "2.7.18"}, {0x030f00b4, "3.15.0b4"}, {0x030e00c1, "3.14.0rc1"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		STRBUF(text);

		python_version_put(cases[i].version, &text);
		cr_assert_str_eq(text.at, cases[i].text);
	}
}
