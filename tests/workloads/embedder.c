/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * embedder LIBPYTHON HOW - a program that is no python and holds a CPython. HOW is
 *
 *	before    CPython is mapped, Py_Initialize() not yet called
 *	between   initialised, and no Python code runs: the main thread has released it and sleeps
 *	inside    the same, and a thread that C started sleeps in `called_from_c`
 *	after     over, and the program goes on
 *	again     over, and initialised once more: it sleeps in `second_life`
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLEEPS(name)                             \
	"import os, time\n"                      \
	"def " name "():\n"                      \
	"    os.write(1, 'ready\\n'.encode())\n" \
	"    time.sleep(100000)\n" name "()\n"

static void *library;

static void *function(const char *name)
{
	void *found = dlsym(library, name);

	if (!found) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return found;
}

static void call(const char *name)
{
	((void (*)(void))function(name))();
}

static void run(const char *code)
{
	((int (*)(const char *))function("PyRun_SimpleString"))(code);
}

static void *called(void *arg)
{
	call("PyGILState_Ensure");
	run(SLEEPS("called_from_c"));
	return arg;
}

static void rest(const char *text)
{
	fputs(text, stdout);
	fflush(stdout);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[2] : "";
	pthread_t thread;

	library = dlopen(argc > 1 ? argv[1] : "", RTLD_NOW | RTLD_GLOBAL);
	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	if (!strcmp(how, "before"))
		rest("ready\n");
	call("Py_Initialize");
	if (!strcmp(how, "between") || !strcmp(how, "inside")) {
		call("PyEval_SaveThread");
		if (!strcmp(how, "between"))
			rest("ready\n");
		pthread_create(&thread, NULL, called, NULL);
		rest("");
	}
	run("x = 1");
	call("Py_Finalize");
	if (!strcmp(how, "after"))
		rest("ready\n");
	call("Py_Initialize");
	run(SLEEPS("second_life"));
	return 0;
}
