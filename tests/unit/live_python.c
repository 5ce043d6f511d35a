/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "live_python.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/file.h"

#define FACTS_MAX   (8 << 20)
#define PYTHON_MAX  32
#define NOT_STARTED 126 /* the exit status of one that is not there, or whose root is not ours to enter */

/* Everything up to the line "end". NULL: the interpreter gave up before. */
static char *facts_read(FILE *out)
{
	_cleanup_(free) char *facts = calloc(1, FACTS_MAX);
	size_t size = 0;

	cr_assert(facts);
	while (size < FACTS_MAX - 1 && fgets(facts + size, FACTS_MAX - size, out)) {
		if (!strcmp(facts + size, "end\n"))
			return take(facts);
		size += strlen(facts + size);
	}
	return NULL;
}

/* Options that 2.7 has, too: no site, no environment. What is too old for the script ends as if it were not there. */
static void interpreter_exec(const struct live_python *python, const char *script, u32 oldest)
{
	char first[128];

	snprintf(first, sizeof(first), "import sys\nif sys.hexversion < %#x: sys.exit(%d)\nexec(sys.argv[1])", oldest,
		 NOT_STARTED);
	if (strcmp(python->root, "/") && (chroot(python->root) || chdir("/")))
		_exit(NOT_STARTED);
	execl(python->path, python->path, "-E", "-s", "-S", "-c", first, script, NULL);
	_exit(NOT_STARTED + 1);
}

/* False: it does not run here, or ended before it had said all. */
static bool interpreter_start(struct live_python *python, const char *script, u32 oldest)
{
	int input[2], output[2];

	cr_assert(!pipe2(input, O_CLOEXEC) && !pipe2(output, O_CLOEXEC));
	python->pid = fork();
	cr_assert(python->pid >= 0);
	if (!python->pid) {
		dup2(input[0], STDIN_FILENO);
		dup2(output[1], STDOUT_FILENO);
		interpreter_exec(python, script, oldest);
	}
	close(input[0]);
	close(output[1]);
	python->input = fdopen(input[1], "w");
	python->output = fdopen(output[0], "r");
	cr_assert(python->input && python->output);
	python->facts = facts_read(python->output);
	return python->facts;
}

/* Its exit status, or -1 when we had to end it. */
static int interpreter_stop(struct live_python *python)
{
	int status = 0;

	if (python->facts)
		kill(python->pid, SIGKILL);
	fclose(python->input);
	fclose(python->output);
	waitpid(python->pid, &status, 0);
	free(python->facts);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Looks into one mapped file, by its path from our own root, as /proc says it. True: it is the CPython. */
static bool mapping_inspect(struct live_python *python, const char *path, u64 start, u64 offset)
{
	u64 address;

	_cleanup_(elf_file) struct elf_file *elf = NULL;
	if (elf_file_open_fd(open(path, O_RDONLY | O_CLOEXEC), path, &elf) || python_file_inspect(elf, &python->file) ||
	    elf_file_address_of_offset(elf, offset, &address))
		return false;
	python->runtime = python->file.runtime + start - address;
	return true;
}

static bool runtime_find(struct live_python *python)
{
	char path[64], line[1024], file[512], rights[8];
	u64 start, offset;

	snprintf(path, sizeof(path), "/proc/%d/maps", python->pid);
	_cleanup_(stream) FILE *maps = fopen(path, "r");
	cr_assert(maps);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%llx-%*x %7s %llx %*s %*s %511s", &start, rights, &offset, file) == 4 &&
		    rights[2] == 'x' && file[0] == '/' && mapping_inspect(python, file, start, offset))
			return true;
	return false;
}

static bool live_python_run(struct live_python *python, const char *script, u32 oldest,
			    void (*test)(const struct live_python *))
{
	bool ran = interpreter_start(python, script, oldest) && runtime_find(python) && python->file.supported;

	if (ran) {
		python->memory = remote_memory_of_process(python->pid);
		test(python);
	}
	int status = interpreter_stop(python);
	cr_assert(status <= 0 || status >= NOT_STARTED, "%s: its script ended with %d", python->name, status);
	/* Whatever else /usr/bin/python3 may be: those that the list promises are known, or cannot be started. */
	cr_assert(ran || status >= NOT_STARTED || !strcmp(python->name, "system"), "%s was not recognised",
		  python->name);
	return ran;
}

static size_t live_python_list(struct live_python pythons[PYTHON_MAX])
{
	size_t cnt = 0;
	_cleanup_(free) char *line = NULL;
	size_t capacity = 0;
	FILE *list = popen("tools/get_pythons.sh --list 2>/dev/null; printf 'system\\t/usr/bin/python3\\t/\\n'", "r");

	cr_assert(list);
	while (cnt < PYTHON_MAX && getline(&line, &capacity, list) > 0) {
		struct live_python *python = &pythons[cnt];

		*python = (struct live_python){0};
		cnt += sscanf(line, "%63s %255s %255s", python->name, python->path, python->root) == 3;
	}
	pclose(list);
	return cnt;
}

void for_each_live_python_running(const char *path, u32 oldest, void (*test)(const struct live_python *python))
{
	struct live_python pythons[PYTHON_MAX];
	size_t ran = 0, size;
	_cleanup_(free) char *script = NULL;

	if (file_read(path, 1 << 20, &script, &size))
		cr_skip_test("run from the top of the tree");
	size_t cnt = live_python_list(pythons);
	for (size_t i = 0; i < cnt; i++)
		ran += live_python_run(&pythons[i], script, oldest, test);
	if (!ran)
		cr_skip_test("no CPython that is new enough runs here");
}

void for_each_live_python(void (*test)(const struct live_python *python))
{
	for_each_live_python_running("tests/unit/data/facts.py", 0, test);
}

const char *live_python_fact(const struct live_python *python, const char *word, const char *from)
{
	size_t size = strlen(word);

	for (const char *line = from ? strchr(from, '\n') + 1 : python->facts; *line; line = strchr(line, '\n') + 1)
		if (!strncmp(line, word, size) && line[size] == ' ')
			return line;
	return NULL;
}

void live_python_make_code(const struct live_python *python)
{
	char line[16];

	fputs("\n", python->input);
	fflush(python->input);
	cr_assert(fgets(line, sizeof(line), python->output), "%s is gone", python->name);
}

char *fact_text(const char *word)
{
	size_t size = strspn(word, "0123456789abcdef") / 2;
	char *text = calloc(1, size + 1);

	cr_assert(text);
	for (size_t i = 0; i < size; i++) {
		unsigned int byte;

		sscanf(word + 2 * i, "%2x", &byte);
		text[i] = byte;
	}
	return text;
}
