/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What `dump` says, against what the process says of itself. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/e2e/harness.h"

#define NOBODY	  65534
#define CROWD	  200
#define TEXT_SIZE 400

E2E_SUITE(dump, 300);

static struct child *dump_run(pid_t pid, const char *a, const char *b)
{
	return profiler_run(30, "dump", "-p", text_of("%d", pid), a, b, NULL);
}

/* --- Pyflame's format ---------------------------------------------------- */

/* One thread of a dump, or of what a workload says of itself. */
struct block {
	const char *text; /* from its header line on */
	size_t size;
	unsigned long long ident;
	bool holds_gil;
	const char *frames; /* behind the header line */
};

struct blocks {
	struct block at[2 * CROWD];
	size_t cnt;
};

/* Strict: any line that is none of its format fails the test. Lines that begin with # are a workload's own. */
static struct blocks blocks_parse(const char *text)
{
	struct blocks blocks = {0};
	bool in_block = false;

	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		size_t size = strcspn(line, "\n");
		char *end;

		cr_assert_eq(line[size], '\n', "the last line does not end: %s", line);
		if (*line == '#')
			continue;
		if (!size) {
			cr_assert(in_block, "a blank line where no thread was");
			in_block = false;
		} else if (!in_block) {
			struct block *block = &blocks.at[blocks.cnt++];

			cr_assert_leq(blocks.cnt, sizeof(blocks.at) / sizeof(*blocks.at));
			*block = (struct block){.text = line, .frames = line + size + 1};
			block->ident = strtoull(line, &end, 10);
			block->holds_gil = *end == '*';
			cr_assert_str_eq(text_of("%.*s", (int)(line + size - end), end), block->holds_gil ? "*:" : ":");
			in_block = true;
		} else {
			struct block *block = &blocks.at[blocks.cnt - 1];

			block->size = line + size + 1 - block->frames;
		}
	}
	return blocks;
}

static const struct block *block_find(const struct blocks *blocks, unsigned long long ident)
{
	for (size_t i = 0; i < blocks->cnt; i++)
		if (blocks->at[i].ident == ident)
			return &blocks->at[i];
	return NULL;
}

/* The thread that told the truth may still be about to end. */
static struct blocks dump_of_standing(pid_t pid, size_t cnt)
{
	struct blocks blocks = {0};

	for (int i = 0; i < 50; i++) {
		struct child *child = dump_run(pid, NULL, NULL);

		cr_assert_eq(child->status, 0, "%s", child_err(child));
		cr_expect_str_empty(child_err(child));
		blocks = blocks_parse(child_out(child));
		if (blocks.cnt == cnt)
			break;
		sleep_s(0.1);
	}
	return blocks;
}

static void expect_same_stacks(const struct blocks *truth, const struct blocks *found, const char *what)
{
	cr_expect_eq(found->cnt, truth->cnt, "%s: %zu threads of %zu", what, found->cnt, truth->cnt);
	for (size_t i = 0; i < truth->cnt; i++) {
		const struct block *wanted = &truth->at[i], *block = block_find(found, wanted->ident);

		cr_expect(block && block->size == wanted->size && !memcmp(block->frames, wanted->frames, wanted->size),
			  "%s: thread %llu is\n%.*sand not\n%.*s", what, wanted->ident, (int)wanted->size,
			  wanted->frames, block ? (int)block->size : 0, block ? block->frames : "");
	}
}

static struct child *standing_start(const struct python *python, struct place *place, struct blocks *truth)
{
	*place = place_in(python->root);
	struct child *child = python_start(python, place, "standing.py", text_of("%s/truth", place->inside), NULL);

	child_ready(child, 60);
	*truth = blocks_parse(file_text(in_place(place, "truth")));
	cr_assert_gt(truth->cnt, 10);
	return child;
}

ParameterizedTestParameters(dump, shows_the_threads_functions_and_lines_that_python_itself_shows)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, dump, shows_the_threads_functions_and_lines_that_python_itself_shows)
{
	struct place place;
	struct blocks truth;
	struct child *child = standing_start(python, &place, &truth);
	struct blocks found = dump_of_standing(child->pid, truth.cnt);

	expect_same_stacks(&truth, &found, python->name);
	for (size_t i = 0; i < found.cnt; i++)
		cr_expect(!found.at[i].holds_gil, "%s: a thread that sleeps holds the GIL", python->name);
	/* The main thread was there first, so it is the last one; the oldest other one is next to it. */
	cr_expect_not_null(strstr(found.at[found.cnt - 1].frames, ":<module>:"), "%s", python->name);
	cr_expect_not_null(strstr(found.at[found.cnt - 2].frames, ":sleeps:"), "%s", python->name);
}

/* --- nothing torn -------------------------------------------------------- */

struct rules {
	const char *text;
	const char *file; /* of the workload, as frames have it */
};

/* FILE:FUNCTION:LINE from the right: a file's name may hold anything. */
struct frame_line {
	char file[TEXT_SIZE], function[TEXT_SIZE];
	int line;
};

static const char *frame_parse(const char *at, const char *end, struct frame_line *ret)
{
	size_t size = strcspn(at, "\n");
	char text[2 * TEXT_SIZE];

	if (at >= end)
		return NULL;
	cr_assert_lt(size, sizeof(text));
	snprintf(text, sizeof(text), "%.*s", (int)size, at);
	char *line = strrchr(text, ':');
	cr_assert_not_null(line, "%s", text);
	*line = 0;
	char *function = strrchr(text, ':');
	cr_assert_not_null(function, "%s", text);
	*function = 0;
	cr_assert_lt(function - text, TEXT_SIZE);
	cr_assert_lt(line - function, TEXT_SIZE);
	memcpy(ret->file, text, function + 1 - text);
	memcpy(ret->function, function + 1, line - function);
	ret->line = atoi(line + 1);
	return at + size + 1;
}

static bool is_allowed(const struct rules *rules, const char *inner, const struct frame_line *outer)
{
	return strstr(rules->text, text_of("\n%s %s %d\n", inner, outer->function, outer->line));
}

static bool is_leaf(const struct rules *rules, const struct frame_line *leaf)
{
	const char *at = rules->text;
	const char *word = text_of("\nLEAF %s ", leaf->function);
	int first = 0, last = 0;

	while ((at = strstr(at, word))) {
		at += strlen(word);
		cr_assert_eq(sscanf(at, "%d %d", &first, &last), 2);
		if (leaf->line >= first && leaf->line <= last)
			return true;
	}
	return false;
}

/* NULL: it can exist. Else why not. */
static const char *stack_problem(const struct rules *rules, const struct block *block)
{
	const char *at = block->frames, *end = block->frames + block->size;
	struct frame_line inner, outer;
	bool in_crowd;

	at = frame_parse(at, end, &inner);
	if (!at)
		return "no frame";
	in_crowd = !strcmp(inner.file, rules->file);
	if (in_crowd && !is_leaf(rules, &inner))
		return text_of("%s cannot be at line %d", inner.function, inner.line);
	while ((at = frame_parse(at, end, &outer))) {
		in_crowd = !strcmp(inner.file, rules->file);
		if (in_crowd && strcmp(inner.function, "caller") && strcmp(inner.function, "main") &&
		    !is_allowed(rules, inner.function, &outer))
			return text_of("%s is not called at %s:%d", inner.function, outer.function, outer.line);
		inner = outer;
	}
	if (strcmp(inner.function, "_bootstrap") && strcmp(inner.function, "__bootstrap") &&
	    strcmp(inner.function, "<module>"))
		return text_of("%s is outermost", inner.function);
	return NULL;
}

static struct child *crowd_start(const struct python *python, struct place *place, struct rules *rules)
{
	*place = place_in(python->root);
	struct child *child = python_start(python, place, "crowd.py", text_of("%s/truth", place->inside),
					   text_of("%d", CROWD), NULL);

	child_ready(child, 120);
	rules->text = text_of("\n%s", file_text(in_place(place, "truth")));
	rules->file = text_of("%s/crowd.py", place->inside);
	return child;
}

/* Returns how many threads hold the GIL. */
static size_t expect_nothing_torn(const struct rules *rules, const struct blocks *found, const char *what)
{
	size_t holders = 0;

	cr_expect_eq(found->cnt, CROWD + 1, "%s: %zu threads", what, found->cnt);
	for (size_t i = 0; i < found->cnt; i++) {
		const char *problem = stack_problem(rules, &found->at[i]);

		cr_expect_null(problem, "%s: %s in\n%.*s", what, problem, (int)found->at[i].size, found->at[i].frames);
		holders += found->at[i].holds_gil;
	}
	return holders;
}

/* Many dumps: into files, for a child of the harness stays until the test ends. */
static char *dump_into_file(const struct place *place, pid_t pid, const char *option)
{
	const char *out = in_place(place, "dump"), *err = in_place(place, "dump.err");
	int status = system(text_of("%s dump -p %d %s >%s 2>%s", profiler_path(), pid, option, out, err));

	cr_assert_eq(status, 0, "%s", file_text(err));
	cr_expect_str_empty(file_text(err));
	return file_text(out);
}

static void dump_crowd(const struct python *python, int cnt, const char *option)
{
	struct place place, here = place_in("/");
	struct rules rules;
	struct child *crowd = crowd_start(python, &place, &rules);
	int with_holder = 0;

	for (int i = 0; i < cnt; i++) {
		struct blocks found = blocks_parse(dump_into_file(&here, crowd->pid, option));
		size_t holders = expect_nothing_torn(&rules, &found, text_of("%s: dump %d", python->name, i));

		cr_expect_leq(holders, 1, "%s: %zu threads hold the GIL", python->name, holders);
		with_holder += holders;
	}
	/* Who stands while the process is frozen has the GIL or waits for it, and hardly ever is it between two. */
	if (*option)
		cr_expect_geq(with_holder, cnt * 8 / 10, "%s: %d of %d", python->name, with_holder, cnt);
	cr_expect(child_is_running(crowd));
}

Test(dump, no_stack_of_200_busy_threads_is_torn)
{
	struct python python = python_any();

	dump_crowd(&python, long_run() ? 1000 : 100, "");
}

ParameterizedTestParameters(dump, no_stack_is_torn_in_any_version)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, dump, no_stack_is_torn_in_any_version)
{
	dump_crowd(python, long_run() ? 100 : 5, "");
}

Test(dump, of_a_frozen_process_all_is_of_one_instant)
{
	struct python python = python_any();

	dump_crowd(&python, 20, "--freeze");
}

/* --- freezing ------------------------------------------------------------ */

/* A file whose size says nothing, as in /proc; what fits. */
static void proc_text(const char *path, char ret[4096])
{
	FILE *file = fopen(path, "re");

	ret[file ? fread(ret, 1, 4095, file) : 0] = 0;
	if (file)
		fclose(file);
}

static char state_of(pid_t pid)
{
	char stat[4096];

	proc_text(text_of("/proc/%d/stat", pid), stat);
	return *stat ? strrchr(stat, ')')[2] : 0;
}

static bool gets_on(const struct child *child)
{
	double before = child_cpu_s(child);

	for (int i = 0; i < 100; i++, sleep_s(0.05))
		if (child_cpu_s(child) > before + 0.02)
			return true;
	return false;
}

Test(dump, a_process_goes_on_when_the_dump_is_killed_while_it_is_frozen)
{
	struct python python = python_any();
	struct place place;
	struct rules rules;
	struct child *crowd = crowd_start(&python, &place, &rules);
	int while_frozen = 0;

	for (int i = 0; i < 200 && while_frozen < 5; i++) {
		struct child *child = profiler_start(NULL, "dump", "-p", text_of("%d", crowd->pid), "--freeze", NULL);

		while (child_is_running(child) && state_of(crowd->pid) != 't')
			;
		bool frozen = state_of(crowd->pid) == 't';
		child_kill(child);
		while_frozen += frozen;
		cr_assert(gets_on(crowd), "the crowd stands still after the dump was killed (state %c)",
			  state_of(crowd->pid));
	}
	cr_expect_geq(while_frozen, 1, "it was never killed at the right moment");
}

/* --- JSON ----------------------------------------------------------------- */

static json_t *json_with(pid_t pid, const char *a, const char *b)
{
	json_error_t error;
	struct child *child = profiler_run(30, "dump", "-p", text_of("%d", pid), "-f", "json", a, b, NULL);

	cr_assert_eq(child->status, 0, "%s", child_err(child));
	json_t *all = json_loads(child_out(child), 0, &error);
	cr_assert_not_null(all, "%s in %s", error.text, child_out(child));
	return all;
}

static json_t *json_of(pid_t pid, const char *option)
{
	return json_with(pid, option, NULL);
}

static const char *string_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

ParameterizedTestParameters(dump, names_threads_as_threading_does)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, dump, names_threads_as_threading_does)
{
	struct place place;
	struct blocks truth;
	struct child *child = standing_start(python, &place, &truth);
	const char *text = file_text(in_place(&place, "truth"));
	json_t *all = json_of(child->pid, NULL), *thread;
	size_t i, found = 0;

	cr_expect_eq(json_integer_value(json_object_get(all, "pid")), child->pid);
	json_array_foreach(json_object_get(all, "threads"), i, thread)
	{
		json_int_t ident = json_integer_value(json_object_get(thread, "ident"));
		json_int_t tid = json_integer_value(json_object_get(thread, "tid"));

		if (!block_find(&truth, ident))
			continue;
		found++;
		cr_expect_not_null(strstr(text, text_of("# %s\n%lld:\n", string_of(thread, "name"), (long long)ident)),
				   "%s: thread %lld is not \"%s\"", python->name, (long long)ident,
				   string_of(thread, "name"));
		cr_expect(file_exists(text_of("/proc/%d/task/%lld", child->pid, (long long)tid)));
		cr_expect_str_eq(string_of(thread, "state"), "waiting");
		cr_expect_str_eq(string_of(thread, "taken"), "at-rest");
	}
	cr_expect_eq(found, truth.cnt);
	json_decref(all);
}

/* How many threads are in this state. */
static size_t state_cnt(const json_t *all, const char *state)
{
	json_t *thread;
	size_t i, cnt = 0;

	json_array_foreach(json_object_get(all, "threads"), i, thread)
		cnt += !strcmp(string_of(thread, "state"), state);
	return cnt;
}

static void expect_all_are(pid_t pid, const char *state)
{
	static const char *const with[] = {NULL, "--threads-only"};

	for (size_t i = 0; i < 2; i++) {
		json_t *all = json_with(pid, "--freeze", with[i]);
		size_t cnt = json_array_size(json_object_get(all, "threads"));

		cr_expect_gt(cnt, 10);
		cr_expect_eq(state_cnt(all, state), cnt, "%s: %zu of %zu are %s", with[i] ? with[i] : "stacks",
			     state_cnt(all, state), cnt, state);
		json_decref(all);
	}
}

/* That we stop them is nothing to tell. */
Test(dump, threads_of_a_frozen_process_are_in_the_states_they_were_in_before)
{
	struct python python = python_any();
	struct place place;
	struct blocks truth;
	struct child *child = standing_start(&python, &place, &truth);

	dump_of_standing(child->pid, truth.cnt);
	expect_all_are(child->pid, "waiting");
	child_signal(child, SIGSTOP);
	while (state_of(child->pid) != 'T')
		sleep_s(0.01);
	expect_all_are(child->pid, "stopped");
}

Test(dump, threads_of_a_frozen_process_that_ran_until_then_run_or_wait)
{
	struct python python = python_any();
	struct place place;
	struct rules rules;
	struct child *crowd = crowd_start(&python, &place, &rules);
	size_t running = 0;

	for (int i = 0; i < 10; i++) {
		json_t *all = json_with(crowd->pid, "--freeze", i % 2 ? "--threads-only" : NULL);
		size_t runs = state_cnt(all, "on-cpu") + state_cnt(all, "runnable");

		cr_expect_eq(runs + state_cnt(all, "waiting"), CROWD + 1);
		running += runs;
		json_decref(all);
	}
	cr_expect_gt(running, 0);
}

/* --- processes of all kinds ----------------------------------------------- */

Test(dump, shows_a_process_that_is_stopped_and_leaves_it_so)
{
	struct python python = python_any();
	struct place place;
	struct blocks truth;
	struct child *child = standing_start(&python, &place, &truth);

	dump_of_standing(child->pid, truth.cnt);
	child_signal(child, SIGSTOP);
	while (state_of(child->pid) != 'T')
		sleep_s(0.01);
	struct blocks found = dump_of_standing(child->pid, truth.cnt);
	expect_same_stacks(&truth, &found, "stopped");
	struct child *frozen = dump_run(child->pid, "--freeze", NULL);
	cr_expect_eq(frozen->status, 0, "%s", child_err(frozen));
	found = blocks_parse(child_out(frozen));
	expect_same_stacks(&truth, &found, "stopped and frozen");
	for (int i = 0; i < 100 && state_of(child->pid) != 'T'; i++)
		sleep_s(0.01);
	cr_expect_eq(state_of(child->pid), 'T');
}

/* The pid of the Python under something that unshare started, as we see it. */
static pid_t child_of(pid_t pid)
{
	for (int i = 0; i < 200; i++, sleep_s(0.05)) {
		char children[4096];

		proc_text(text_of("/proc/%d/task/%d/children", pid, pid), children);
		if (*children)
			return atoi(children);
	}
	cr_assert_fail("process %d has no child", pid);
	return 0;
}

Test(dump, sees_into_other_namespaces_by_our_own_numbers)
{
	struct python python = python_any();
	struct place place = place_in(python.root);
	const char *const argv[] = {"unshare",
				    "--pid",
				    "--mount",
				    "--user",
				    "--map-root-user",
				    "--fork",
				    "--kill-child",
				    "chroot",
				    python.root,
				    python.path,
				    text_of("%s/standing.py", place.inside),
				    text_of("%s/truth", place.inside),
				    NULL};
	struct child *child = child_start(NULL, argv);

	child_ready(child, 60);
	struct blocks truth = blocks_parse(file_text(in_place(&place, "truth")));
	pid_t pid = child_of(child->pid);
	struct blocks found = dump_of_standing(pid, truth.cnt);
	expect_same_stacks(&truth, &found, "in namespaces of its own");

	json_t *all = json_of(pid, NULL), *thread;
	size_t i;
	json_array_foreach(json_object_get(all, "threads"), i, thread)
	{
		json_int_t tid = json_integer_value(json_object_get(thread, "tid"));

		cr_expect(file_exists(text_of("/proc/%d/task/%lld", pid, (long long)tid)), "tid %lld is none of ours",
			  (long long)tid);
	}
	json_decref(all);
	kill(pid, SIGKILL);
}

Test(dump, shows_a_process_whose_binary_is_deleted)
{
	struct python python = python_any();
	struct place place = place_in(python.root);
	struct python copy = python;

	cr_assert_eq(system(text_of("cp -L '%s/%s' '%s'", python.root, python.path, in_place(&place, "python"))), 0);
	snprintf(copy.path, sizeof(copy.path), "%s/python", place.inside);
	struct start how = {.root = python.root, .environment = {text_of("PYTHONHOME=%s", "/usr")}};
	const char *const argv[] = {copy.path, text_of("%s/standing.py", place.inside),
				    text_of("%s/truth", place.inside), NULL};
	struct child *child = child_start(&how, argv);

	child_ready(child, 60);
	cr_assert_eq(unlink(in_place(&place, "python")), 0);
	struct blocks truth = blocks_parse(file_text(in_place(&place, "truth")));
	struct blocks found = dump_of_standing(child->pid, truth.cnt);
	expect_same_stacks(&truth, &found, "deleted");
}

Test(dump, shows_what_a_process_started_and_every_other_one)
{
	struct python python = python_any();
	struct place place;
	struct blocks truth;
	struct child *child = standing_start(&python, &place, &truth);
	struct child *all = profiler_run(60, "dump", "--all", "-f", "json", NULL);
	struct child *children = profiler_run(60, "dump", "-p", text_of("%d", getpid()), "--children", "-f", "json",
					      NULL);
	json_t *processes[] = {json_loads(child_out(all), 0, NULL), json_loads(child_out(children), 0, NULL)};

	cr_expect_eq(all->status, 0, "%s", child_err(all));
	for (size_t i = 0; i < 2; i++) {
		json_t *process;
		size_t j, found = 0;

		cr_assert_not_null(processes[i]);
		json_array_foreach(json_object_get(processes[i], "processes"), j,
				   process) if (json_integer_value(json_object_get(process, "pid")) == child->pid)
			found += json_array_size(json_object_get(process, "threads")) >= truth.cnt;
		cr_expect_eq(found, 1, "%s", i ? "--children" : "--all");
		json_decref(processes[i]);
	}
}

/* To 3.9 nothing says which thread works for an interpreter: its PyThreadState names who made it. */
static bool has_subinterpreters(const struct python *python)
{
	return python->minor >= 10;
}

ParameterizedTestParameters(dump, shows_each_interpreter_under_the_thread_that_runs_it)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, dump, shows_each_interpreter_under_the_thread_that_runs_it)
{
	struct place place = place_in(python->root);
	json_t *thread;
	json_int_t beside = 0, in_first = 0, in_second = 0, interpreters[2] = {0};
	size_t i;

	if (!has_subinterpreters(python))
		cr_skip("%s", python->name);
	struct child *child = python_start(python, &place, "subinterpreters.py", NULL);
	child_ready(child, 60);
	sleep_s(0.2);
	json_t *all = json_of(child->pid, NULL);

	json_array_foreach(json_object_get(all, "threads"), i, thread)
	{
		json_t *leaf = json_array_get(json_object_get(thread, "frames"), 0);
		json_int_t tid = json_integer_value(json_object_get(thread, "tid"));
		json_int_t interpreter = json_integer_value(json_object_get(thread, "interp"));

		if (!strcmp(string_of(thread, "name"), "beside") && !interpreter)
			beside = tid;
		if (!strcmp(string_of(leaf, "func"), "in_first")) {
			in_first = tid;
			interpreters[0] = interpreter;
		}
		if (!strcmp(string_of(leaf, "func"), "in_second")) {
			in_second = tid;
			interpreters[1] = interpreter;
		}
	}
	cr_expect_neq(beside, 0, "%s: no thread is called \"beside\"", python->name);
	cr_expect_eq(in_first, beside, "%s: in_first is under %lld", python->name, (long long)in_first);
	cr_expect_eq(in_second, child->pid, "%s: in_second is under %lld", python->name, (long long)in_second);
	cr_expect(interpreters[0] && interpreters[1] && interpreters[0] != interpreters[1]);
	json_decref(all);
}

/* --- locks ------------------------------------------------------------------ */

/* Of `thread NAME IDENT` in what the workload says. 0: "-" or none. */
static json_int_t ident_of(const char *says, const char *name)
{
	const char *at = strstr(says, text_of("\nthread %s ", name));

	return at ? atoll(at + strlen(text_of("\nthread %s ", name))) : 0;
}

static json_t *thread_by(const json_t *all, const char *key, json_int_t value)
{
	json_t *thread;
	size_t i;

	json_array_foreach(json_object_get(all, "threads"), i,
			   thread) if (value &&
				       json_integer_value(json_object_get(thread, key)) == value) return thread;
	return NULL;
}

/* The lines `waits NAME KIND LOCK OWNER EVIDENCE`. Returns how many. */
static size_t expect_owners(const json_t *all, const char *says, const char *what)
{
	char name[40], owner[40], evidence[40];
	size_t cnt = 0;

	for (const char *at = says; (at = strstr(at, "\nwaits ")); at++, cnt++) {
		cr_assert_eq(sscanf(at, " waits %39s %*s %*s %39s %39s", name, owner, evidence), 3);
		json_t *wait = json_object_get(thread_by(all, "ident", ident_of(says, name)), "wait");
		json_t *found = thread_by(all, "tid", json_integer_value(json_object_get(wait, "owner")));

		cr_expect_not_null(wait, "%s: %s does not wait", what, name);
		cr_expect_eq(json_integer_value(json_object_get(found, "ident")), ident_of(says, owner),
			     "%s: %s waits for %s, not for %s", what, name, owner, string_of(found, "name"));
		if (found)
			cr_expect_eq(json_is_true(json_object_get(wait, "owner_inferred")),
				     !strcmp(evidence, "inferred"), "%s: %s", what, name);
	}
	return cnt;
}

static bool is_ring(const json_t *all, const json_t *ring, const char *says, const char *names)
{
	json_int_t first = 0;
	json_t *member;
	size_t i, cnt = 0;
	char name[40];
	int size;

	/* Each name is in it, and no other. */
	for (; sscanf(names, "%39[^ \n]%n", name, &size) == 1; names += size, names += *names == ' ', cnt++) {
		bool found = false;

		first = ident_of(says, name);
		json_array_foreach(ring, i, member)
			found |= json_integer_value(json_object_get(
					 thread_by(all, "tid", json_integer_value(json_object_get(member, "tid"))),
					 "ident")) == first;
		if (!found)
			return false;
	}
	return cnt == json_array_size(ring);
}

static size_t expect_rings(const json_t *all, const char *says, const char *what)
{
	const json_t *rings = json_object_get(all, "deadlocks"), *ring;
	size_t cnt = 0, i;

	for (const char *at = says; (at = strstr(at, "\nring ")); at++, cnt++) {
		bool found = false;

		json_array_foreach(rings, i, ring) found |= is_ring(all, ring, says, at + strlen("\nring "));
		cr_expect(found, "%s: no deadlock of %.*s", what, (int)strcspn(at + 6, "\n"), at + 6);
	}
	cr_expect_eq(json_array_size(rings), cnt, "%s: %zu deadlocks", what, json_array_size(rings));
	return cnt;
}

ParameterizedTestParameters(dump, finds_who_has_what_is_waited_for_and_the_deadlocks)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, dump, finds_who_has_what_is_waited_for_and_the_deadlocks)
{
	struct place place = place_in(python->root);
	const char *const argv[] = {python->path, text_of("%s/deadlock.py", place.inside), NULL};
	int silence[2];

	cr_assert_eq(pipe(silence), 0);
	struct start how = {.root = python->root, .in = silence[0]};
	struct child *child = child_start(&how, argv);
	const char *says = "";
	for (double end = now_s() + 60; !strstr(says, "\nend\n") && now_s() < end; sleep_s(0.1))
		says = text_of("\n%s", child_out(child));
	cr_assert_not_null(strstr(says, "\nend\n"), "%s: %s", python->name, child_err(child));
	sleep_s(0.3);

	static const char *const options[] = {NULL, "--freeze"};
	for (size_t i = 0; i < 2; i++) {
		json_t *all = json_of(child->pid, options[i]);

		cr_expect_gt(expect_owners(all, says, python->name), 10);
		cr_expect_gt(expect_rings(all, says, python->name), 4);
		json_decref(all);
	}
}

/* --- errors ---------------------------------------------------------------- */

static void expect_error(struct child *child, int status, const char *words)
{
	cr_expect_eq(child->status, status, "status %d: %s", child->status, child_err(child));
	cr_expect_str_empty(child_out(child));
	expect_null_problem(check_error_line(child_err(child)), "%s", words);
	cr_expect_not_null(strstr(child_err(child), words), "'%s' is not in: %s", words, child_err(child));
}

Test(dump, says_why_there_is_nothing_to_tell)
{
	const char *const sleep_argv[] = {"sleep", "1000", NULL};
	struct child *sleeper = child_start(NULL, sleep_argv);
	struct python python = python_any();
	struct place place;
	struct blocks truth;
	struct child *child = standing_start(&python, &place, &truth);
	pid_t over = fork();

	if (!over)
		_exit(0);
	sleep_s(0.1);
	expect_error(dump_run(over, NULL, NULL), 1, "zombie");
	waitpid(over, NULL, 0);
	expect_error(dump_run(over, NULL, NULL), 1, "there is no process");
	expect_error(dump_run(sleeper->pid, NULL, NULL), 1, "is not a Python process");
	expect_error(dump_run(2, NULL, NULL), 1, "kernel thread");
	/* A thread's number is not its process's. */
	json_t *all = json_of(child->pid, NULL);
	json_int_t tid = json_integer_value(json_object_get(json_array_get(json_object_get(all, "threads"), 0), "tid"));
	json_decref(all);
	expect_error(dump_run(tid, NULL, NULL), 1, text_of("is a thread of process %d", child->pid));

	struct start nobody = {.uid = NOBODY};
	struct child *refused = profiler_start(&nobody, "dump", "-p", text_of("%d", child->pid), NULL);
	child_wait(refused, 20);
	expect_error(refused, 1, "CAP_");
}

Test(dump, tells_a_python_that_has_not_begun_from_one_that_is_over)
{
	static const struct {
		const char *halt, *words;
	} rows[] = {{"begin", "is not initialised"}, {"end", "is finalizing"}};
	struct python python = python_any();
	struct place place = place_in(python.root);

	cr_assert_eq(system(text_of("cc -shared -fPIC -o %s tests/workloads/halts.c", in_place(&place, "halts.so"))),
		     0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct start how = {.root = python.root,
				    .environment = {text_of("LD_PRELOAD=%s/halts.so", place.inside),
						    text_of("HALT=%s", rows[i].halt)}};
		const char *const argv[] = {python.path, "-S", "-c", "pass", NULL};
		struct child *child = child_start(&how, argv);

		child_ready(child, 20);
		expect_error(dump_run(child->pid, NULL, NULL), 1, rows[i].words);
		child_kill(child);
	}
}

static const char *const wrong_lines[][5] = {
	{"dump"},
	{"dump", "-p"},
	{"dump", "-p", "x"},
	{"dump", "-p", "0"},
	{"dump", "-p", "-1"},
	{"dump", "1", "2"},
	{"dump", "--all"}, /* Pyflame's format has no place for a pid */
	{"dump", "--all", "-p", "1"},
	{"dump", "-p", "1", "--children"},
	{"dump", "-p", "1", "--native"},
	{"dump", "-p", "1", "--locals"},
	{"dump", "-p", "1", "--no-such-option"},
	{"dump", "-p", "1", "--freeze=1"},
	{"dump", "--all", "--children", "-f", "text"},
};

Test(dump, refuses_lines_that_make_no_sense)
{
	for (size_t i = 0; i < sizeof(wrong_lines) / sizeof(*wrong_lines); i++) {
		const char *const *w = wrong_lines[i];

		expect_error(profiler_run(10, w[0], w[1], w[2], w[3], w[4], NULL), 2, "");
	}
	expect_error(profiler_run(10, "dump", "-p", "1", "-f", "xml", NULL), 2, "pyflame, text or json");
	struct child *help = profiler_run(10, "dump", "--help", NULL);
	cr_expect_eq(help->status, 0);
	cr_expect_not_null(strstr(child_out(help), "--freeze"));
}

Test(dump, writes_a_file_whole_or_not_at_all)
{
	struct python python = python_any();
	struct place place, here = place_in("/");
	struct blocks truth;
	struct child *child = standing_start(&python, &place, &truth);
	const char *path = in_place(&here, "out");

	dump_of_standing(child->pid, truth.cnt);
	struct child *dump = dump_run(child->pid, "-o", path);
	cr_expect_eq(dump->status, 0, "%s", child_err(dump));
	cr_expect_str_empty(child_out(dump));
	struct blocks found = blocks_parse(file_text(path));
	expect_same_stacks(&truth, &found, "-o");
	expect_error(dump_run(child->pid, "-o", "/nowhere/out"), 1, "cannot write");
	expect_error(dump_run(child->pid, "-o", "/dev/full"), 1, "cannot write");
}
