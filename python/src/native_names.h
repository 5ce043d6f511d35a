/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * native_names.h - the function at an address of this process: from .symtab, .dynsym, a debug file
 * or .gnu_debugdata, else where .eh_frame says it begins; kept by file and address. Code that the
 * process made itself: from its perf map.
 */
#ifndef STACKTRACE_NATIVE_NAMES_H
#define STACKTRACE_NATIVE_NAMES_H

#include "base/cleanup.h"
#include "process/process.h"

struct native_names;

struct native_name {
	/* A symbol as the file has it, without `.cold`, `.part.0`, `@GLIBC_2.2`, `@plt` and the like; `0x1a2b0`, the vaddr of its start, when
	 * the file does not name it. What a perf map says, as it is. UTF-8. */
	const char *function;
	const char *file; /* what people call the library (module_name.h), "[vdso]"; "" when it is in none */
	u64 start; /* of the function, in this process; the pc itself when nothing says where it begins */
};

/* Both are borrowed. */
int native_names_new(struct process_table *processes, struct process *process, struct native_names **ret);
void native_names_free(struct native_names *names);
DEFINE_CLEANUP(native_names, struct native_names *, native_names_free)

/*
 * pc: the instruction, or a byte before a return address. -ENOENT: it lies in no file, and no perf map names it.
 * (What lies in a file has a name always.) The strings are valid until the next call.
 */
int native_names_find(struct native_names *names, u64 pc, struct native_name *ret);

#endif
