/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * module_name.h - what people call the file behind a mapping: its base name, or for
 * an extension module of Python the name that one imports. Pure.
 *
 *	/usr/lib/x86_64-linux-gnu/libc.so.6					libc.so.6
 *	.../site-packages/numpy/core/_umath.cpython-311-x86_64-linux-gnu.so	numpy.core._umath
 *	.../lib-dynload/_json.cpython-311-x86_64-linux-gnu.so			_json
 *	.../site-packages/numpy.libs/libopenblas.so				libopenblas.so
 */
#ifndef PYPROF_MODULE_NAME_H
#define PYPROF_MODULE_NAME_H

#include <stddef.h>

/* Bytes of a mapping's path without " (deleted)", with which the kernel marks it. */
size_t module_path_size(const char *path);
/* Of a mapping's path, with or without " (deleted)". The caller frees it; NULL: memory is short. */
char *module_name_of_path(const char *path);

#endif
