/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `dump` of processes that make it hard: on their way in or out, forked, crowded, of others, in another program's hands. */
#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/e2e/dump_json.h"

#define NOBODY 65534
#define MANY   2000

E2E_SUITE(dump_targets, 300);

static struct child *dump_run(pid_t pid, const char *a, const char *b)
{
	return profiler_run(30, "dump", "-p", text_of("%d", pid), a, b, NULL);
}

static void expect_error(struct child *child, const char *words)
{
	cr_expect_eq(child->status, 1, "status %d: %s", child->status, child_err(child));
	cr_expect_str_empty(child_out(child));
	expect_null_problem(check_error_line(child_err(child)), "%s", words);
	cr_expect_not_null(strstr(child_err(child), words), "'%s' is not in: %s", words, child_err(child));
}

static const char *leaf_of(const json_t *thread)
{
	return dump_text_of(json_array_get(json_object_get(thread, "frames"), 0), "func");
}

/* Just so many threads, and one of them in each of these functions. */
static void expect_leaves(json_t *dump, size_t cnt, const char *a, const char *b, const char *what)
{
	json_t *thread;
	size_t i, a_cnt = 0, b_cnt = 0;

	cr_expect_eq(json_array_size(dump_threads(dump)), cnt, "%s: %zu threads", what,
		     json_array_size(dump_threads(dump)));
	json_array_foreach(dump_threads(dump), i, thread)
	{
		a_cnt += a && !strcmp(leaf_of(thread), a);
		b_cnt += b && !strcmp(leaf_of(thread), b);
	}
	cr_expect(!a || a_cnt == 1, "%s: %zu threads in %s", what, a_cnt, a);
	cr_expect(!b || b_cnt == 1, "%s: %zu threads in %s", what, b_cnt, b);
}

/* --- on the way in, and out ----------------------------------------------- */

/* Stopped between exec and its first instruction: no library is mapped yet. */
static pid_t start_stopped(const struct python *python)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if ((strcmp(python->root, "/") && chroot(python->root)) || ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(126);
		execl(python->path, python->path, "-c", "pass", NULL);
		_exit(127);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSTOPPED(status), "%s did not start: %d", python->path, status);
	ptrace(PTRACE_DETACH, pid, NULL, (void *)SIGSTOP);
	return pid;
}

ParameterizedTestParameters(dump_targets, one_that_has_just_been_started_is_not_initialised)
{
	return pythons_as_parameters();
}

/* One that holds CPython in its executable; if it is in a library, nothing of it is there yet. */
ParameterizedTest(struct python *python, dump_targets, one_that_has_just_been_started_is_not_initialised)
{
	pid_t pid = start_stopped(python);
	struct child *dump = dump_run(pid, NULL, NULL);
	bool is_shared = strstr(child_err(dump), "is not a Python process");

	expect_error(dump, is_shared ? "is not a Python process" : "is not initialised");
	cr_expect(!is_shared || !strncmp(python->name, "pyenv-", 6), "%s: %s", python->name, child_err(dump));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

ParameterizedTestParameters(dump_targets, one_on_its_way_out_shows_who_is_left)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, dump_targets, one_on_its_way_out_shows_who_is_left)
{
	static const struct {
		const char *when;
		size_t cnt;
		const char *leaf, *other;
	} rows[] = {{"shutdown", 3, "not_a_daemon", "daemon"},
		    {"atexit", 2, "at_exit", "daemon"},
		    {"modules", 1, "__del__", NULL}};
	struct place place = place_in(python->root);

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct child *child = python_start(python, &place, "phases.py", rows[i].when, NULL);
		const char *what = text_of("%s, %s", python->name, rows[i].when);

		child_ready(child, 20);
		sleep_s(0.1);
		json_t *dump = dump_json(child->pid, NULL);
		expect_leaves(dump, rows[i].cnt, rows[i].leaf, rows[i].other, what);
		json_decref(dump);
	}
	struct child *over = python_start(python, &place, "phases.py", "over", NULL);
	child_ready(over, 20);
	struct child *dump = dump_run(over->pid, NULL, NULL);
	/* To 3.6 nothing in it tells what was from what will be. */
	expect_error(dump, python_is_since(python, 3, 7) ? "is finalizing: its threads are gone already"
							 : "or was shut down");
}

/* --- in a program that is no python --------------------------------------- */

/* "" when it is in the executable. */
static const char *library_of(const struct python *python)
{
	char *path = strdup(python->path);
	glob_t found = {0};
	const char *pattern = text_of("%s/lib/libpython%d.%d*.so.1.0", dirname(dirname(path)), python->major,
				      python->minor);

	if (strcmp(python->root, "/") || glob(pattern, 0, NULL, &found))
		return "";
	return text_of("%s", found.gl_pathv[0]);
}

static struct child *embedder_start(const struct place *place, const char *library, const char *how)
{
	char *path = strdup(library);
	struct start start = {.environment = {text_of("PYTHONHOME=%s", dirname(dirname(path)))}};
	const char *const argv[] = {in_place(place, "embedder"), library, how, NULL};
	struct child *child = child_start(&start, argv);

	child_ready(child, 20);
	sleep_s(0.1);
	return child;
}

static void check_embedder(const char *library)
{
	struct place place = place_in("/");
	struct child *before = embedder_start(&place, library, "before");

	expect_error(dump_run(before->pid, NULL, NULL), "is not initialised");
	struct child *after = embedder_start(&place, library, "after");
	struct child *dump = dump_run(after->pid, NULL, NULL);
	expect_error(dump, strstr(child_err(dump), "finalizing") ? "its threads are gone already" : "or was shut down");

	/* It has a Python thread, which just now is in none of Python's functions. */
	struct child *between = embedder_start(&place, library, "between");
	dump = dump_run(between->pid, NULL, NULL);
	cr_expect_eq(dump->status, 0);
	cr_expect_str_empty(child_out(dump));
	cr_expect_str_eq(child_err(dump),
			 text_of("pyprof-bpf: no thread of process %d executes Python code now\n", between->pid));

	struct child *inside = embedder_start(&place, library, "inside");
	json_t *json = dump_json(inside->pid, NULL);
	expect_leaves(json, 2, "called_from_c", NULL, library);
	json_decref(json);
	struct child *again = embedder_start(&place, library, "again");
	json = dump_json(again->pid, NULL);
	expect_leaves(json, 1, "second_life", NULL, library);
	json_decref(json);
}

static bool has_library(const struct python *python)
{
	return *library_of(python);
}

ParameterizedTestParameters(dump_targets, a_program_that_embeds_python_at_each_of_its_ages)
{
	return pythons_that(has_library);
}

ParameterizedTest(struct python *python, dump_targets, a_program_that_embeds_python_at_each_of_its_ages)
{
	check_embedder(library_of(python));
}

/* --- threads -------------------------------------------------------------- */

ParameterizedTestParameters(dump_targets, the_child_of_a_process_with_threads_has_its_own_alone)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, dump_targets, the_child_of_a_process_with_threads_has_its_own_alone)
{
	static const char *const ways[] = {"os", "libc"};
	struct place place = place_in(python->root);
	json_t *thread;
	size_t j;

	for (size_t i = 0; i < 2; i++) {
		struct child *child = python_start(python, &place, "forked.py", ways[i], NULL);

		child_ready(child, 20);
		sleep_s(0.1);
		pid_t pid = atoi(child_out(child));
		json_t *dump = dump_json(pid, NULL);
		/* CPython that was not told, and 2.7 in any case, has states of the parent's other threads. */
		expect_leaves(dump, i || python->major == 2 ? 4 : 1, "child", NULL,
			      text_of("%s, %s", python->name, ways[i]));
		json_array_foreach(dump_threads(dump), j, thread)
		{
			bool is_child = !strcmp(leaf_of(thread), "child");

			cr_expect_eq(dump_number_of(thread, "tid"), is_child ? (unsigned long long)pid : 0);
			cr_expect_str_eq(dump_text_of(thread, "state"), is_child ? "waiting" : "gone");
		}
		json_decref(dump);
		kill(pid, SIGKILL);
	}
}

ParameterizedTestParameters(dump_targets, threads_that_python_does_not_know_are_shown_when_asked_for)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, dump_targets, threads_that_python_does_not_know_are_shown_when_asked_for)
{
	struct place place = place_in(python->root);
	struct child *child = python_start(python, &place, "outsiders.py", NULL);
	size_t i, outsiders = 0;
	json_t *thread;

	child_ready(child, 20);
	sleep_s(0.1);
	json_t *dump = dump_json(child->pid, NULL);
	expect_leaves(dump, 2, "inside", NULL, python->name);
	json_decref(dump);
	struct child *run = dump_run(child->pid, "--native-threads", "--format=json");
	dump = json_loads(child_out(run), 0, NULL);
	cr_assert_not_null(dump, "%s", child_err(run));
	expect_leaves(dump, 5, "inside", NULL, python->name);
	json_array_foreach(dump_threads(dump), i, thread)
	{
		if (!json_is_null(json_object_get(thread, "ident")))
			continue;
		outsiders++;
		cr_expect_str_eq(dump_text_of(json_object_get(thread, "wait"), "syscall"), "pause");
		cr_expect(file_exists(text_of("/proc/%d/task/%llu", child->pid, dump_number_of(thread, "tid"))));
	}
	cr_expect_eq(outsiders, 3, "%s", python->name);
	json_decref(dump);
}

ParameterizedTestParameters(dump_targets, a_process_outlives_its_main_thread)
{
	return pythons_as_parameters();
}

ParameterizedTest(struct python *python, dump_targets, a_process_outlives_its_main_thread)
{
	struct place place = place_in(python->root);
	struct child *child = python_start(python, &place, "headless.py", NULL);

	child_ready(child, 20);
	sleep_s(0.1);
	json_t *dump = dump_json(child->pid, "--native"), *thread;
	size_t i;
	json_array_foreach(dump_threads(dump), i, thread)
	{
		bool is_survivor = !strcmp(dump_text_of(thread, "state"), "waiting");
		json_t *frames = json_object_get(thread, "frames");

		cr_expect_eq(strstr(dump_stack_of(thread, "func"), ":survivor:") != NULL, is_survivor);
		cr_expect(!is_survivor || json_array_size(frames) > 5 + 2, "%s: no native frames", python->name);
	}
	/* Nobody has told CPython that the main thread is gone. */
	cr_expect_eq(i, 2, "%s: %zu threads", python->name, i);
	json_decref(dump);
}

static void check_one_of_many(json_t *dump, unsigned long long ident, int steps)
{
	json_t *thread = dump_thread_of(dump, "ident", ident);

	cr_assert_not_null(thread, "thread %llu is missing", ident);
	const char *stack = dump_stack_of(thread, "func");
	int found = 0;
	for (const char *at = stack; (at = strstr(at, ":step:")); at++)
		found++;
	cr_expect_str_eq(leaf_of(thread), "parked");
	cr_expect_eq(found, steps + 1, "thread %llu made %d steps and not %d", ident, found - 1, steps);
}

static int compare_numbers(const void *a, const void *b)
{
	unsigned long long x = *(const unsigned long long *)a, y = *(const unsigned long long *)b;

	return x < y ? -1 : x > y;
}

Test(dump_targets, each_of_2000_threads_is_shown_once)
{
	struct python python = python_any();
	struct place place = place_in(python.root);
	struct child *child = python_start(&python, &place, "many.py", text_of("%d", MANY), NULL);
	static unsigned long long tids[MANY + 1];
	unsigned long long ident;
	json_t *thread;
	size_t i, told = 0;
	int steps;

	child_ready(child, 120);
	json_t *dump = dump_json(child->pid, NULL);
	cr_assert_eq(json_array_size(dump_threads(dump)), MANY + 1);
	for (const char *line = child_out(child); sscanf(line, "%llu %d", &ident, &steps) == 2;
	     line += strcspn(line, "\n") + 1, told++)
		check_one_of_many(dump, ident, steps);
	cr_expect_eq(told, MANY);
	json_array_foreach(dump_threads(dump), i, thread) tids[i] = dump_number_of(thread, "tid");
	qsort(tids, MANY + 1, sizeof(*tids), compare_numbers);
	for (i = 1; i <= MANY; i++)
		cr_expect_neq(tids[i], tids[i - 1], "thread %llu is there twice", tids[i]);
	json_decref(dump);
}

Test(dump_targets, a_stack_that_is_too_deep_is_cut_and_that_is_said)
{
	struct python python = python_any();
	struct start how = {.root = python.root};
	const char *code = "import sys, time\n"
			   "sys.setrecursionlimit(9000)\n"
			   "def deep(n):\n"
			   "    if n: return deep(n - 1)\n"
			   "    print('ready', flush=True)\n"
			   "    time.sleep(100000)\n"
			   "deep(3000)\n";
	const char *const argv[] = {python.path, "-c", code, NULL};
	struct child *child = child_start(&how, argv);

	child_ready(child, 20);
	sleep_s(0.1);
	struct child *run = dump_run(child->pid, "--format=json", NULL);
	json_t *dump = json_loads(child_out(run), 0, NULL);
	cr_assert_not_null(dump, "%s", child_err(run));
	json_t *thread = json_array_get(dump_threads(dump), 0);
	const char *loss = dump_text_of(thread, "loss");

	/* Whole, or what is missing is said. */
	if (strstr(dump_stack_of(thread, "func"), ":<module>:")) {
		cr_expect_str_empty(loss);
	} else {
		cr_expect_str_eq(loss, "python-depth");
		cr_expect_not_null(strstr(child_err(run), "the outermost frames of 1 thread of"), "%s", child_err(run));
	}
	cr_expect_eq(run->status, 0);
	cr_expect_str_eq(leaf_of(thread), "deep");
	json_decref(dump);
}

/* --- interpreters --------------------------------------------------------- */

/* Not a free-threaded build, sid-3.14t. */
static bool has_gils(const struct python *python)
{
	return python_is_since(python, 3, 12) && python->name[strlen(python->name) - 1] != 't';
}

ParameterizedTestParameters(dump_targets, interpreters_with_a_gil_each_have_a_holder_each)
{
	return pythons_that(has_gils);
}

ParameterizedTest(struct python *python, dump_targets, interpreters_with_a_gil_each_have_a_holder_each)
{
	struct place place = place_in(python->root);
	int both = 0;

	struct child *child = python_start(python, &place, "own_gils.py", NULL);
	child_ready(child, 20);
	for (int i = 0; i < 10; i++) {
		json_t *dump = dump_json(child->pid, "--freeze"), *thread;
		size_t j, in_a = 0, in_b = 0;

		json_array_foreach(dump_threads(dump), j, thread)
		{
			bool holds = json_is_true(json_object_get(thread, "holds_gil"));

			in_a += holds && !strcmp(leaf_of(thread), "spin_a");
			in_b += holds && !strcmp(leaf_of(thread), "spin_b");
			cr_expect(!holds || dump_number_of(thread, "interp"), "%s: a thread that sleeps holds a GIL",
				  python->name);
		}
		cr_expect(in_a <= 1 && in_b <= 1);
		both += in_a && in_b;
		json_decref(dump);
	}
	/* One that changes hands just then has none. */
	cr_expect_geq(both, 5, "%s: each GIL had its holder in %d dumps of 10", python->name, both);
}

/* --- in others' hands ----------------------------------------------------- */

static struct child *sleeper_start(const struct python *python, uid_t uid)
{
	struct start how = {.root = python->root, .uid = uid};
	const char *code = "import sys, time\n"
			   "def sleeper():\n"
			   "    sys.stdout.write('ready\\n')\n"
			   "    sys.stdout.flush()\n"
			   "    time.sleep(100000)\n"
			   "sleeper()\n";
	const char *const argv[] = {python->path, "-c", code, NULL};
	struct child *child = child_start(&how, argv);

	child_ready(child, 20);
	sleep_s(0.1);
	return child;
}

Test(dump_targets, one_under_a_debugger_is_shown_but_not_frozen)
{
	struct python python = python_any();
	struct child *child = sleeper_start(&python, 0);

	cr_assert_eq(ptrace(PTRACE_SEIZE, child->pid, NULL, NULL), 0);
	expect_error(dump_run(child->pid, "--freeze", NULL), "a debugger is attached to process");
	json_t *dump = dump_json(child->pid, NULL);
	expect_leaves(dump, 1, "sleeper", NULL, "under a debugger");
	json_decref(dump);
	ptrace(PTRACE_DETACH, child->pid, NULL, NULL);
}

static struct child *dump_as_nobody(pid_t pid, const char *capabilities)
{
	const char *const argv[] = {"setpriv",
				    "--reuid=65534",
				    "--regid=65534",
				    "--clear-groups",
				    text_of("--inh-caps=%s", capabilities),
				    text_of("--ambient-caps=%s", capabilities),
				    profiler_path(),
				    "dump",
				    "-p",
				    text_of("%d", pid),
				    NULL};
	struct child *child = child_start(NULL, argv);

	child_wait(child, 30);
	return child;
}

Test(dump_targets, says_which_capability_is_missing)
{
	struct python python = python_any();
	struct child *child = sleeper_start(&python, 0), *of_nobody = sleeper_start(&python, NOBODY);

	expect_error(dump_as_nobody(child->pid, "-all"), "CAP_BPF");
	expect_error(dump_as_nobody(child->pid, "-all,+bpf"), "CAP_PERFMON");
	expect_error(dump_as_nobody(child->pid, "-all,+perfmon"), "CAP_BPF");
	expect_error(dump_as_nobody(child->pid, "-all,+bpf,+perfmon"), "CAP_SYS_PTRACE");
	if (file_exists("/proc/sys/kernel/yama/ptrace_scope"))
		return;
	/* What is one's own may be looked into without that. */
	struct child *dump = dump_as_nobody(of_nobody->pid, "-all,+bpf,+perfmon");
	cr_expect_eq(dump->status, 0, "%s", child_err(dump));
	cr_expect_not_null(strstr(child_out(dump), "<string>:sleeper:5\n"), "%s", child_out(dump));
}

/* --- at any moment of a short life ---------------------------------------- */

static bool is_known_sentence(const char *line)
{
	static const char *const sentences[] = {"is not a Python process",
						"is not initialised",
						"is finalizing",
						"there is no process",
						"is a zombie",
						"has no memory of its own",
						"cannot be read at 0x",
						"executes Python code now",
						"has no Python thread now"};

	for (size_t i = 0; i < sizeof(sentences) / sizeof(*sentences); i++)
		if (strstr(line, sentences[i]))
			return true;
	return false;
}

Test(dump_targets, at_any_moment_of_a_short_life_there_are_threads_or_one_known_sentence)
{
	struct python python = python_any();
	struct start how = {.root = python.root};
	/* One that ends at once, and one that stays for a while: its beginning is seen, and it is killed. */
	const char *const codes[] = {"import json, threading, decimal", "import json, threading, decimal; input()"};
	int shown = 0, rounds = long_run() ? 400 : 60;

	for (int i = 0; i < rounds; i++) {
		int input[2];
		cr_assert_eq(pipe(input), 0);
		how.in = input[0];
		struct child *child = child_start(&how, (const char *[]){python.path, "-c", codes[i % 3 == 0], NULL});

		close(input[0]);
		sleep_s(0.001 * (i % 60));
		struct child *dump = dump_run(child->pid, i % 2 ? "--format=json" : NULL, NULL);
		cr_expect(dump->status == 0 || dump->status == 1, "status %d: %s", dump->status, child_err(dump));
		if (dump->status == 1)
			expect_null_problem(check_error_line(child_err(dump)), "after %d ms", i % 60);
		cr_expect(!*child_err(dump) || is_known_sentence(child_err(dump)), "after %d ms: %s", i % 60,
			  child_err(dump));
		cr_expect_eq(dump->status == 1,
			     !*child_out(dump) && *child_err(dump) && !strstr(child_err(dump), " now\n"));
		shown += dump->status == 0;
		close(input[1]);
		child_kill(child);
	}
	cr_expect_gt(shown, 0, "it was never seen alive");
}
