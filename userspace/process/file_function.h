/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * file_function.h - the function at an address of a mapped file: from its own symbols,
 * from its debug file, which is looked for once and not before somebody asks for what may
 * be in it, and else, without a name, from its unwind tables.
 */
#ifndef PYPROF_FILE_FUNCTION_H
#define PYPROF_FILE_FUNCTION_H

#include "process/mapped_file.h"

struct file_function {
	const char *symbol; /* NULL: no symbol covers the address. The file's, see elf_file_symbol() */
	u64 start; /* vaddr */
};

/*
 * address: vaddr in file, whose `elf` is not NULL. pid: of a process that maps it, in whose root its debug file
 * may lie; 0: gone. -ENOENT: nothing says where a function begins.
 */
int file_function_find(struct mapped_file *file, int pid, u64 address, struct file_function *ret);

#endif
