/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * known_code.h - code that matters to a walk, has no call frame information or a
 * wrong one, and is known by its bytes:
 *
 *  - the return from a signal handler of musl (src/signal/x86_64/restore.s) and Go
 *    (runtime.sigreturn): mov $15, %rax; syscall. Nobody else makes that system call.
 *  - libffi's closures, a page of equal stubs (src/x86/unix64.S, trampoline_code_table),
 *    which each call from C back into Python passes through.
 *
 * Pure: bytes in, pieces out.
 */
#ifndef PYPROF_KNOWN_CODE_H
#define PYPROF_KNOWN_CODE_H

#include <stdbool.h>
#include <stddef.h>

#include "pyprof/unwind.h"

/* The longest code that is known, with what is looked at before it. */
#define KNOWN_CODE_SIZE 64

enum known_code { KNOWN_SIGNAL_RETURN, KNOWN_CLOSURE, KNOWN_CODE_CNT };

/* Where one rule holds. */
struct known_piece {
	size_t start, end; /* offsets; half open, not empty */
	struct unwind_rule rule;
};

/* The first at or behind `from` that is whole in these bytes; ascending, disjoint. False: no more. */
bool known_code_next(enum known_code code, const u8 *bytes, size_t size, size_t from, struct known_piece *ret);

#define SIGNAL_RETURN_SIZE 9

/* Do they begin with the return from a signal handler? */
bool known_code_is_signal_return(const u8 *bytes, size_t size);

/* True for memory that begins with the trampolines of `python -X perf` without frame pointers (CPython's Python/asm_trampoline.S to 3.13). */
bool known_code_is_perf_trampolines(const u8 *bytes, size_t size);

#endif
