/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What lies at the start of _PyRuntime. */
#include "python/layout.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct python_layout layout;

	if (!python_layout_of_debug_offsets(data, size, &layout) && python_layout_check(&layout))
		__builtin_trap();
	return 0;
}
