/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* demangle.h - C++ and Rust symbols as their authors wrote them (libiberty). */
#ifndef PYPROF_DEMANGLE_H
#define PYPROF_DEMANGLE_H

#include "base/strbuf.h"

/*
 * Appends the readable form of a symbol, or the symbol itself. What is not the function's own name
 * (symbolize/symbol_name.h) and Rust's trailing hash are dropped; `@plt` stays. Parameters are kept out: one frame is one function name. Bounded: absurdly long or deep names come out as they are.
 */
void demangle_put(struct strbuf *b, const char *symbol);

#endif
