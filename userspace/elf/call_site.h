/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * call_site.h - do these bytes end in a call? Beside plt.h the one place in elf/
 * that knows machine code. Pure: bytes in, answer out.
 */
#ifndef PYPROF_CALL_SITE_H
#define PYPROF_CALL_SITE_H

#include <stddef.h>

#include "pyprof/types.h"

/* As many bytes before a return address as any call has that we know. */
#define CALL_SITE_SIZE 7

enum call_kind { CALL_NONE, CALL_DIRECT, CALL_INDIRECT };

/*
 * Looks at the size bytes that end at a return address. For CALL_DIRECT, ret is how
 * far from the return address the target lies. Machine is e_machine; CALL_NONE for an
 * architecture that is not known here.
 */
enum call_kind call_site_decode(u16 machine, const u8 *bytes, size_t size, s64 *ret);

#endif
