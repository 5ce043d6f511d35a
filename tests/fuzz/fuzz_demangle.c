/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_demangle.c - any string as a symbol: some name comes out, and soon. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(free) char *symbol = strndup((const char *)data, size);
	STRBUF(b);

	if (!symbol)
		return 0;
	demangle_put(&b, symbol);
	if (symbol[0] && !b.size)
		abort();
	return 0;
}
