/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * layout.h - layouts of CPython versions. From 3.13 on the target describes
 * itself (struct _Py_DebugOffsets at the start of _PyRuntime); older ones are rows
 * of a table that tools/gen_python_layout.py measures in CPython's headers.
 */
#ifndef PYPROF_PYTHON_LAYOUT_H
#define PYPROF_PYTHON_LAYOUT_H

#include <stddef.h>

#include "pyprof/python_abi.h"

/* -ENOTSUP: a version that we do not know. */
int python_layout_of_version(u32 version, struct python_layout *ret);

/* Where in _PyRuntime lies the address of the PyThreadState that has the GIL. 0: not in there, or not known. */
u16 python_runtime_current(u32 version);

/*
 * Parses _Py_DebugOffsets. -EINVAL: no cookie, or offsets that cannot be;
 * -ENOTSUP: a version whose struct we do not know.
 */
#define DEBUG_OFFSETS_MAX_SIZE 2048
int python_layout_of_debug_offsets(const void *data, size_t size, struct python_layout *ret);

/* 0 when every offset lies inside what the walker reads (python_abi.h) and all fit together, else -EINVAL. */
int python_layout_check(const struct python_layout *layout);

#endif
