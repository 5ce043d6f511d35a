/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * gil.h - the GIL of an interpreter: who holds it, and where those who want it wait.
 * And what else an interpreter and the runtime say of themselves.
 */
#ifndef PYPROF_PYTHON_GIL_H
#define PYPROF_PYTHON_GIL_H

#include <stdbool.h>

#include "inspect/object.h"

struct python_gil {
	bool exists; /* false: free-threaded, and not switched on */
	u64 holder; /* PyThreadState that has it now; 0: nobody */
	/*
	 * Its condition and mutex: a futex word inside of [start, end) means "waits for
	 * the GIL". Both 0: not known (2.7 and 3.6 keep them in static variables).
	 */
	u64 start, end;
};

/*
 * current: address in the process of python_file's variable of this name; 0: none.
 * interpreter: address of the PyInterpreterState, of which each has its own GIL from 3.12 on.
 */
int gil_read(const struct python_objects *objects, u64 current, u64 interpreter, struct python_gil *ret);

/* 2.7 and 3.6 do not number their interpreters: -ENOENT. */
int interpreter_id_read(const struct python_objects *objects, u64 interpreter, u64 *ret);

struct python_interpreter {
	u64 address; /* of its PyInterpreterState */
	u64 id; /* 0: the main one; where CPython has no numbers, in the order of their making */
};

/*
 * All interpreters, in the order of CPython's list (newest first). *cnt goes in as
 * the room of ret and comes out as what is in it. -ENOENT: not initialised yet.
 */
int interpreter_list_read(const struct python_objects *objects, struct python_interpreter *ret, size_t *cnt);

enum runtime_state {
	RUNTIME_STARTING, /* no code of the user's can run yet */
	RUNTIME_RUNNING,
	RUNTIME_FINALIZING,
};
int runtime_state_read(const struct python_objects *objects, enum runtime_state *ret);

#endif
