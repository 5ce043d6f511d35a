/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * python_file.h - is there a CPython in this ELF file, which, and how is it laid
 * out? Recognised by content (section .PyRuntime, object _PyRuntime, to 3.6 object
 * _PyThreadState_Current), never by name; the version is what its debug offsets,
 * Py_Version or strings say.
 */
#ifndef PYPROF_PYTHON_FILE_H
#define PYPROF_PYTHON_FILE_H

#include <stdbool.h>

#include "elf/elf_file.h"
#include "pyprof/python_abi.h"

struct python_file {
	u32 version; /* PY_VERSION_HEX; 0: no CPython here */
	bool supported; /* the layout below is meant */
	u64 runtime; /* vaddr of _PyRuntime; to 3.6 of the variable `interp_head` */
	u64 current; /* to 3.11, vaddr of the variable that holds the PyThreadState that has the GIL; 0: each interpreter knows */
	struct python_layout layout;
};

/* -ENOENT: no CPython in it. 0 also for versions that are not supported. */
int python_file_inspect(struct elf_file *elf, struct python_file *ret);

/* "3.13.18", "3.15.0b2", "3.13.18t" (free-threaded), into 24 bytes. */
#define PYTHON_VERSION_SIZE 24
void python_version_format(u32 version, bool free_threaded, char ret[PYTHON_VERSION_SIZE]);

#endif
