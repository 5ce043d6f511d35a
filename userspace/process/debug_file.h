/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * debug_file.h - finds the separate file that has a stripped file's symbols, in the
 * places where distributions put it (gdb's manual, "Separate Debug Files"):
 *
 *	/usr/lib/debug/.build-id/ab/cdef....debug	the build id in hexadecimal
 *	DIRECTORY/NAME					NAME from .gnu_debuglink, DIRECTORY the file's own
 *	DIRECTORY/.debug/NAME
 *	/usr/lib/debug/DIRECTORY/NAME
 */
#ifndef PYPROF_DEBUG_FILE_H
#define PYPROF_DEBUG_FILE_H

#include "elf/elf_file.h"

/*
 * Looks in the root of process pid (0: it is gone), then in ours, and hands the file that belongs to elf over
 * to it. The ELF file's name is its path. -ENOENT: there is none.
 */
int debug_file_add(int pid, struct elf_file *elf);

#endif
