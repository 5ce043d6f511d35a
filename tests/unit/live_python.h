/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * live_python.h - real interpreters that run a script of data/, for tests that read
 * from their memory what they say of themselves.
 */
#ifndef PYPROF_LIVE_PYTHON_H
#define PYPROF_LIVE_PYTHON_H

#include "base/remote_memory.h"
#include "python/python_file.h"

struct live_python {
	char name[64]; /* "sid-3.15" */
	char path[256], root[256];
	int pid; /* 0: not started */
	FILE *input, *output;
	char *facts; /* what it printed */
	struct remote_memory memory;
	struct python_file file;
	u64 runtime; /* address of _PyRuntime in its memory */
};

/*
 * Calls test with every supported interpreter that tools/get_pythons.sh lists and
 * that runs here, beside /usr/bin/python3, when it is not older than `oldest`
 * (PY_VERSION_HEX) and its script has said all; skips the test when there is none.
 */
void for_each_live_python_running(const char *script, u32 oldest, void (*test)(const struct live_python *python));

/* Every version, running data/facts.py, which says the most. */
void for_each_live_python(void (*test)(const struct live_python *python));
/* The next fact that begins with word, after `from` (NULL: the first); NULL when there is none. */
const char *live_python_fact(const struct live_python *python, const char *word, const char *from);

/* Has it make and drop a code object. */
void live_python_make_code(const struct live_python *python);

/* A hexadecimal word of a fact, as text: to be freed. */
char *fact_text(const char *word);

#endif
