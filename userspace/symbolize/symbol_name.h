/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* symbol_name.h - where in a symbol the name of its function ends. */
#ifndef PYPROF_SYMBOL_NAME_H
#define PYPROF_SYMBOL_NAME_H

#include <stddef.h>

/*
 * Bytes. Behind them are a version (`@@GLIBC_2.2`), `@plt`, and what compilers append to a part or a copy
 * of a function (`.cold`, `.part.0`, `.isra.0`, `.constprop.0`, `.lto_priv.0`, `.llvm.1`, `.localalias`).
 */
size_t symbol_name_length(const char *symbol);

#endif
