/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * variables.h - the arguments and local variables of a frame, from outside. Those
 * of functions: what a module or a class body binds is in its dict.
 */
#ifndef PYPROF_PYTHON_VARIABLES_H
#define PYPROF_PYTHON_VARIABLES_H

#include "inspect/value.h"

#define PYTHON_VARIABLES_MAX	  256
#define PYTHON_VARIABLES_TEXT_MAX 16384 /* bytes of values; the rest of the variables are `...` */

/*
 * Calls visit for each bound variable: arguments in their order, *args and **kwargs
 * after them, then locals, then what the function closes over. Cells are looked into.
 * name and value are the visitor's for the call only. frame is the address of the
 * _PyInterpreterFrame (to 3.10 PyFrameObject), code that of its code object.
 * The frame may go on meanwhile: the caller decides whether to believe it.
 * The first visit that does not return 0 is the last, and its answer is ours.
 */
int python_variables_read(const struct python_objects *objects, u64 frame, u64 code,
			  const struct python_value_options *options,
			  int (*visit)(void *ctx, const char *name, const char *value, bool is_argument), void *ctx);

#endif
