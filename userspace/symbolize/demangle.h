/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* demangle.h - C++ and Rust symbols as their authors wrote them (libiberty). */
#ifndef PYPROF_DEMANGLE_H
#define PYPROF_DEMANGLE_H

#include "base/strbuf.h"

/*
 * Appends the readable form of a symbol, or the symbol itself. Symbol versions
 * (`@@GLIBC_2.2`), Rust's trailing hash and what compilers append to a part or a copy of a
 * function (`.cold`, `.part.0`, `.isra.0`, `.constprop.0`, `.lto_priv.0`, `.llvm.1`) are dropped;
 * `@plt` stays. Parameters are kept out: one frame is one function name. Bounded: absurdly long or deep names come out as they are.
 */
void demangle_put(struct strbuf *b, const char *symbol);

/* Of a symbol as it is in the file, how much is the name of its function: all that is said to be dropped above comes after, and `@plt`. */
size_t symbol_name_length(const char *symbol);

#endif
