/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What `dump` says, against what others say of the same process: faulthandler in it, gdb, CPython's own remote tools. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/e2e/check_merge.h"
#include "tests/e2e/dump_json.h"

#define MAX_TOLD 64
#define STANDING 11 /* threads of standing.py but for the one that has told */

E2E_SUITE(dump_truth, 300);

/* --- tracebacks ----------------------------------------------------------- */

/* A thread as somebody tells of it. */
struct told_thread {
	const char *key; /* of JSON: "ident" or "tid" */
	unsigned long long value;
	char *stack; /* as dump_stack_of */
};

struct told {
	struct told_thread at[MAX_TOLD];
	size_t cnt;
};

static bool header_parse(const char *line, struct told_thread *ret)
{
	if (sscanf(line, "Thread 0x%llx ", &ret->value) == 1 ||
	    sscanf(line, "Current thread 0x%llx ", &ret->value) == 1 ||
	    sscanf(line, "Thread %*u (Thread 0x%llx ", &ret->value) == 1) {
		ret->key = "ident";
		return true;
	}
	ret->key = "tid";
	return sscanf(line, "Stack dump, thread %llu ", &ret->value) == 1 ||
	       sscanf(line, "Stack dump for PID %*u, thread %llu ", &ret->value) == 1;
}

/* `  File "FILE", line LINE, in FUNCTION`, or without the second comma, -> FILE:FUNCTION:LINE and a line break; NULL: it is none. */
static const char *frame_parse(const char *line, size_t size)
{
	const char *begin = "  File \"", *middle = "\", line ";
	char *text = strndup(line, size), *function = NULL;
	unsigned long number = 0;

	if (strncmp(text, begin, strlen(begin)))
		return NULL;
	char *file = text + strlen(begin), *end = strstr(file, middle);
	cr_assert_not_null(end, "%s", text);
	*end = 0;
	number = strtoul(end + strlen(middle), &function, 10);
	function += *function == ','; /* faulthandler has none */
	cr_assert_eq(strncmp(function, " in ", 4), 0, "%s", function);
	return text_of("%s:%s:%lu\n", file, function + 4, number);
}

/* The tracebacks of faulthandler, of py-bt (which has source lines too) and of profiling.sampling (innermost last). */
static struct told told_parse(const char *text, bool innermost_last)
{
	struct told told = {0};

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		struct told_thread thread = {.stack = ""};
		const char *frame = frame_parse(line, strcspn(line, "\n"));

		if (header_parse(line, &thread)) {
			cr_assert_lt(told.cnt, MAX_TOLD);
			told.at[told.cnt++] = thread;
		} else if (frame) {
			cr_assert(told.cnt, "a frame of no thread: %s", text);
			char **stack = &told.at[told.cnt - 1].stack;
			*stack = (char *)(innermost_last ? text_of("%s%s", frame, *stack)
							 : text_of("%s%s", *stack, frame));
		}
	}
	return told;
}

/* by: what the teller calls a function, "func" or "qualname". */
static void expect_told(json_t *dump, const struct told *told, const char *by, const char *what)
{
	json_t *thread;
	size_t i, j;

	for (i = 0; i < told->cnt; i++) {
		thread = dump_thread_of(dump, told->at[i].key, told->at[i].value);
		cr_expect_not_null(thread, "%s: thread %llu is missing", what, told->at[i].value);
		if (!thread)
			continue;
		const char *stack = dump_stack_of(thread, by);
		cr_expect_str_eq(stack, told->at[i].stack, "%s: thread %llu is\n%sand not\n%s", what, told->at[i].value,
				 told->at[i].stack, stack);
	}
	json_array_foreach(dump_threads(dump), i, thread)
	{
		for (j = 0; j < told->cnt; j++)
			if (dump_number_of(thread, told->at[j].key) == told->at[j].value)
				break;
		cr_expect_lt(j, told->cnt, "%s: nobody else knows thread %llu", what, dump_number_of(thread, "ident"));
	}
}

/* Both have the newest first. */
static void expect_same_order(json_t *dump, const struct told *told, const char *what)
{
	json_t *thread;
	size_t i;

	json_array_foreach(dump_threads(dump), i, thread) if (i < told->cnt) cr_expect_eq(
		dump_number_of(thread, told->at[i].key), told->at[i].value, "%s: thread %zu is another one", what, i);
}

/* --- faulthandler --------------------------------------------------------- */

/* What SIGUSR1 makes it write; again until the thread that started the others' rest has ended. */
static struct told told_by_faulthandler(struct child *child, const char *path, size_t cnt)
{
	struct told told = {0};
	size_t size_before = 0;

	for (int i = 0; i < 100 && told.cnt != cnt; i++) {
		child_signal(child, SIGUSR1);
		/* The main thread comes last, and its outermost frame there. */
		for (int j = 0; j < 100; j++, sleep_s(0.02)) {
			const char *text = file_text(path);

			if (!strstr(text + size_before, "faulthandled.py\""))
				continue;
			told = told_parse(text + size_before, false);
			size_before = strlen(text);
			break;
		}
	}
	cr_assert_eq(told.cnt, cnt, "faulthandler has %zu threads: %s", told.cnt, file_text(path));
	return told;
}

/* Of 2.7 test_dump.c compares sys._current_frames(). */
static bool has_faulthandler(const struct python *python)
{
	return python->major >= 3;
}

ParameterizedTestParameters(dump_truth, a_dump_has_the_threads_frames_and_order_of_faulthandler)
{
	return pythons_that(has_faulthandler);
}

ParameterizedTest(struct python *python, dump_truth, a_dump_has_the_threads_frames_and_order_of_faulthandler)
{
	struct place place = place_in(python->root);

	struct child *child = python_start(python, &place, "faulthandled.py", text_of("%s/tracebacks", place.inside),
					   text_of("%s/standing.py", place.inside), text_of("%s/truth", place.inside),
					   NULL);
	child_ready(child, 60);
	struct told told = told_by_faulthandler(child, in_place(&place, "tracebacks"), STANDING + 1);
	json_t *dump = dump_json(child->pid, NULL);

	expect_told(dump, &told, "func", python->name);
	expect_same_order(dump, &told, python->name);
	json_decref(dump);
}

/* --- gdb ------------------------------------------------------------------ */

/* The file that CPython's build leaves beside the interpreter for gdb; "" when there is none. */
static const char *gdb_file_of(const struct python *python)
{
	const char *path = text_of("%s%s-gdb.py", strcmp(python->root, "/") ? python->root : "", python->path);

	return file_exists(path) ? path : "";
}

static struct child *gdb_run(const struct start *how, const struct python *python, pid_t pid, const char *script,
			     const char *command)
{
	const char *const argv[] = {"gdb",
				    "-nx",
				    "-batch",
				    "-iex",
				    text_of("set sysroot %s", python->root),
				    "-iex",
				    "set debuginfod enabled off",
				    "-iex",
				    "set backtrace past-main on",
				    "-p",
				    text_of("%d", (int)pid),
				    "-ex",
				    text_of("file %s/%s", python->root, python->path),
				    "-x",
				    script,
				    "-ex",
				    command,
				    NULL};
	struct child *gdb = child_start(how, argv);

	child_wait(gdb, 60);
	return gdb;
}

static struct child *standing_start(const struct python *python, struct place *place)
{
	*place = place_in(python->root);
	struct child *child = python_start(python, place, "standing.py", text_of("%s/truth", place->inside), NULL);

	child_ready(child, 60);
	return child;
}

static json_t *dump_when_rested(pid_t pid, const char *option)
{
	for (int i = 0; i < 50; i++, sleep_s(0.1)) {
		json_t *dump = dump_json(pid, option);

		if (json_array_size(dump_threads(dump)) == STANDING + 1)
			return dump;
		json_decref(dump);
	}
	cr_assert_fail("there are never just %d threads", STANDING + 1);
	return NULL;
}

static void compare_with_py_bt(const struct python *python)
{
	struct place place;
	struct child *child = standing_start(python, &place);
	json_t *dump = dump_when_rested(child->pid, NULL);
	struct child *gdb = gdb_run(NULL, python, child->pid, gdb_file_of(python), "thread apply all py-bt");
	struct told told = told_parse(child_out(gdb), false);

	cr_expect_eq(told.cnt, STANDING + 1, "%s: gdb has %zu threads: %s", python->name, told.cnt, child_err(gdb));
	expect_told(dump, &told, "func", python->name);
	json_decref(dump);
	child_kill(child);
}

Test(dump_truth, a_dump_has_the_frames_of_gdbs_py_bt)
{
	struct python found[MAX_PYTHONS];
	size_t cnt = pythons_list(found, MAX_PYTHONS), tested = 0;

	/* The oldest, one in the middle, the newest; all in a long run. */
	for (size_t i = 0; i < cnt; i++) {
		bool is_chosen = found[i].major == 2 || found[i].minor == 9 || found[i].minor >= 13;
		/* The file of 3.6 to 3.8 takes what goes back in a line table for a step of up to 255 lines onwards. */
		bool is_wrong = found[i].major == 3 && found[i].minor < 9;

		if (!*gdb_file_of(&found[i]) || is_wrong || (!is_chosen && !long_run()))
			continue;
		compare_with_py_bt(&found[i]);
		tested++;
	}
	if (!tested)
		cr_skip_test("no interpreter with its file for gdb");
}

/* --- native frames, gdb --------------------------------------------------- */

/* One thread of a dump as a folded stack, which check_merge.h can compare. */
static struct folded folded_of_thread(const json_t *thread)
{
	json_t *frames = json_object_get(thread, "frames");
	size_t cnt = json_array_size(frames);
	struct folded_line *line = calloc(1, sizeof(*line));

	*line = (struct folded_line){.frames = calloc(cnt + 1, sizeof(char *)), .count = 1};
	line->frames[line->frame_cnt++] = (char *)text_of("%s (1)", dump_text_of(thread, "comm"));
	for (size_t i = cnt; i--;) {
		json_t *frame = json_array_get(frames, i);
		const char *kind = dump_text_of(frame, "kind"), *file = dump_text_of(frame, "file");
		const char *name = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;

		line->frames[line->frame_cnt++] =
			(char *)(!strcmp(kind, "python")   ? text_of("%s (%s:%llu)", dump_text_of(frame, "qualname"),
								     name, dump_number_of(frame, "line"))
				 : !strcmp(kind, "native") ? text_of("%s (%s)", dump_text_of(frame, "func"), name)
							   : text_of("[%s]", dump_text_of(frame, "func")));
	}
	return (struct folded){.lines = line, .cnt = 1, .samples = 1};
}

/* Of all threads, `thread TID` and its frames. -> those of one */
static const char *gdb_thread_text(const char *text, unsigned long long tid)
{
	const char *header = text_of("\nthread\t%llu\n", tid), *begin = strstr(text_of("\n%s", text), header);

	if (!begin)
		return NULL;
	begin += strlen(header);
	const char *end = strstr(begin, "\nthread\t");
	return end ? strndup(begin, end + 1 - begin) : begin;
}

static void compare_native_thread(const struct python *python, const json_t *thread, const char *text)
{
	const char *stack_text = gdb_thread_text(text, dump_number_of(thread, "tid"));
	struct folded folded = folded_of_thread(thread);
	struct native_stack stack;

	cr_assert_not_null(stack_text, "%s: gdb has no thread %llu", python->name, dump_number_of(thread, "tid"));
	expect_null_problem(native_stack_parse(stack_text, &stack), "gdb");
	struct stack_verdict verdict = check_native_stack(&folded, &stack);
	cr_expect_eq(verdict.whole, 1, "%s: %s is not\n%s\nbut gdb's\n%s", python->name, dump_text_of(thread, "name"),
		     verdict.first_other, stack_text);
	/* One that is stripped has few; a read() is called by few, too. */
	if (*gdb_file_of(python))
		cr_expect_geq(verdict.named, 5, "%s: gdb and we know hardly a symbol", python->name);
}

static void compare_native(const struct python *python)
{
	struct place place;
	struct child *child = standing_start(python, &place);
	json_t *dump = dump_when_rested(child->pid, "--native"), *thread;
	const char *out = in_place(&place, "gdb.out");
	struct start how = {.environment = {text_of("GDB_STACKS=%s", out), "GDB_THREADS=all"}};
	struct child *gdb = gdb_run(&how, python, child->pid, "tests/e2e/gdb_stacks.py", "detach");
	const char *text = file_text(out);
	size_t i;

	cr_assert_not_null(text, "gdb wrote nothing: %s", child_err(gdb));
	json_array_foreach(dump_threads(dump), i, thread) compare_native_thread(python, thread, text);
	json_decref(dump);
	child_kill(child);
}

Test(dump_truth, the_merged_stacks_of_all_threads_are_the_debuggers)
{
	struct python found[MAX_PYTHONS], newest = python_any();
	size_t cnt = pythons_list(found, MAX_PYTHONS);
	const struct python *one = &newest;

	/* Better one that is not stripped, so that gdb has names for what it shows. */
	for (size_t i = 0; i < cnt; i++)
		one = *gdb_file_of(&found[i]) ? &found[i] : one;
	for (size_t i = 0; i < cnt; i++)
		if (python_has_anchors(&found[i]) && (long_run() || !strcmp(found[i].name, one->name)))
			compare_native(&found[i]);
}

/* --- CPython's own tools -------------------------------------------------- */

/* Like python_start, in a mount namespace whose root has a /proc: those who look at it must be there, too. */
static struct child *start_with_proc(const struct python *python, const struct place *place, const char *script,
				     const char *argument)
{
	const char *const argv[] = {
		"unshare",
		"--mount",
		"sh",
		"-c",
		"if [ \"$0\" != / ]; then mount -t proc proc \"$0/proc\"; fi && exec chroot \"$0\" \"$@\"",
		python->root,
		python->path,
		text_of("%s/%s", place->inside, script),
		argument,
		NULL};
	struct child *child = child_start(NULL, argv);

	child_ready(child, 60);
	return child;
}

/* Beside that one; from a directory where none of its files is, so that they are told by their whole paths. */
static const char *told_from_inside(const struct python *python, pid_t pid, const char *const arguments[4])
{
	const char *const argv[] = {"nsenter",	  "--target",	  text_of("%d", pid), "--mount",    "--root",
				    "env",	  "--chdir=/var", python->path,	      arguments[0], arguments[1],
				    arguments[2], arguments[3],	  text_of("%d", pid), NULL};
	const char **argument = (const char **)argv + 8;

	while (*argument && argument < argv + 12)
		argument++;
	*argument++ = argv[12];
	*argument = NULL;
	struct child *child = child_start(NULL, argv);
	cr_assert_eq(child_wait(child, 60), 0, "%s", child_err(child));
	return child_out(child);
}

static bool has_sampler(const struct python *python)
{
	return python_is_since(python, 3, 15);
}

ParameterizedTestParameters(dump_truth, a_dump_has_the_threads_and_frames_of_pythons_own_sampler)
{
	return pythons_that(has_sampler);
}

ParameterizedTest(struct python *python, dump_truth, a_dump_has_the_threads_and_frames_of_pythons_own_sampler)
{
	struct place place = place_in(python->root);

	struct child *child = start_with_proc(python, &place, "standing.py", text_of("%s/truth", place.inside));
	json_t *dump = dump_when_rested(child->pid, NULL);
	struct told told = told_parse(
		told_from_inside(python, child->pid, (const char *[4]){"-m", "profiling.sampling", "dump", "-a"}),
		true);

	cr_expect_eq(told.cnt, STANDING + 1);
	expect_told(dump, &told, "qualname", python->name);
	json_decref(dump);
}

/* As tests/e2e/remote_tasks.py writes them. */
static const char *text_of_task(const json_t *task)
{
	const char *address = dump_text_of(task, "address");
	const char *text = text_of("task %s %s\n", address, dump_text_of(task, "name"));
	json_t *frame, *parent;
	size_t i;

	json_array_foreach(json_object_get(task, "frames"), i, frame)
		text = text_of("%sframe %s %s:%s:%llu\n", text, address, dump_text_of(frame, "file"),
			       dump_text_of(frame, "qualname"), dump_number_of(frame, "line"));
	json_array_foreach(json_object_get(task, "awaited_by"), i, parent)
		text = text_of("%sawaits %s %s\n", text, json_string_value(parent), address);
	return text;
}

static size_t line_cnt(const char *text)
{
	size_t cnt = 0;

	for (; *text; text++)
		cnt += *text == '\n';
	return cnt;
}

/* Two tasks that await the same are told in any order. */
static void expect_same_tasks(json_t *dump, const char *told, const char *what)
{
	const char *found = "";
	json_t *task;
	size_t i;

	json_array_foreach(json_object_get(dump, "tasks"), i, task) found = text_of("%s%s", found, text_of_task(task));
	cr_expect_gt(line_cnt(told), 40, "%s: it has hardly a task", what);
	cr_expect_eq(line_cnt(found), line_cnt(told), "%s:\n%sand not\n%s", what, told, found);
	for (const char *line = told; *line; line += strcspn(line, "\n") + 1)
		cr_expect_not_null(strstr(text_of("\n%s", found), text_of("\n%.*s\n", (int)strcspn(line, "\n"), line)),
				   "%s: '%.*s' is not in\n%s", what, (int)strcspn(line, "\n"), line, found);
	/* Frames of a task come one after the other. */
	for (const char *at = told; (at = strstr(at, "task ")); at++) {
		const char *end = strstr(at, "\nawaits ");
		const char *next = strstr(at + 1, "\ntask ");

		end = end && (!next || end < next) ? end : next;
		cr_expect_not_null(strstr(found, end ? strndup(at, end - at) : at), "%s: order of frames", what);
	}
}

static bool has_pstree(const struct python *python)
{
	return python_is_since(python, 3, 14);
}

ParameterizedTestParameters(dump_truth, a_dump_has_the_tasks_of_asyncios_own_pstree)
{
	return pythons_that(has_pstree);
}

ParameterizedTest(struct python *python, dump_truth, a_dump_has_the_tasks_of_asyncios_own_pstree)
{
	struct place place = place_in(python->root);

	cr_assert_eq(system(text_of("cp tests/e2e/remote_tasks.py '%s'", place.outside)), 0);
	struct child *child = start_with_proc(python, &place, "awaits.py", NULL);
	const char *told = told_from_inside(
		python, child->pid, (const char *[4]){text_of("%s/remote_tasks.py", place.inside), NULL, NULL, NULL});
	json_t *dump = dump_json(child->pid, "--asyncio");

	expect_same_tasks(dump, told, python->name);
	json_decref(dump);
}
