/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A source file, behind the four numbers of a position in it, a byte each. */
#include "base/strbuf.h"
#include "python/expression.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	STRBUF(b);

	if (size < 4)
		return 0;
	struct line_position at = {data[0], data[1], data[2], data[3], true};
	if (expression_put((const char *)data + 4, size - 4, &at, &b) ? b.size : !b.size || b.size > EXPRESSION_MAX + 3)
		__builtin_trap();
	return 0;
}
