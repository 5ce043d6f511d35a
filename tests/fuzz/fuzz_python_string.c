/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A process's memory with a str at its beginning. */
#include "python/string.h"

#include <string.h>

#include "python/layout.h"

#define BASE 0x10000

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const u32 versions[] = {0x030b00f0, 0x030c00f0, 0x020712f0, 0x030900f0, 0x030a00f0};
	struct remote_memory memory = remote_memory_of_bytes(data, size, BASE);

	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		struct python_layout layout;
		STRBUF(text);

		if (python_layout_of_version(versions[i], &layout))
			__builtin_trap();
		if (!python_string_read(&memory, &layout, BASE, &text) && strlen(text.at) != text.size)
			__builtin_trap();
	}
	return 0;
}
