/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_kallsyms.c - any text as /proc/kallsyms. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/kallsyms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(kallsyms) struct kallsyms *k = NULL;

	if (kallsyms_parse((const char *)data, size, &k))
		return 0;
	for (int shift = 0; shift < 64; shift++) {
		const char *name = kallsyms_find(k, 0xffffffff81000000 >> shift);
		if (name && !strlen(name))
			abort();
	}
	return 0;
}
