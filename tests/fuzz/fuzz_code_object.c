/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A process's memory with a code object at its beginning, signed as the kernel side would. */
#include "python/code_object.h"

#include "python/layout.h"

#define BASE 0x10000

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const u32 versions[] = {0x030b00f0, 0x030c00f0, 0x020712f0, 0x030900f0, 0x030a00f0};
	struct remote_memory memory = remote_memory_of_bytes(data, size, BASE);

	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		_cleanup_(code_object) struct code_object *code = NULL;
		struct python_layout layout;
		u32 signature;

		if (python_layout_of_version(versions[i], &layout))
			__builtin_trap();
		if (code_object_signature(&memory, &layout, BASE, &signature) ||
		    code_object_read(&memory, &layout, BASE, signature, &(struct code_types){0}, &code))
			continue;
		for (u32 instr = 0; instr < 32; instr += 2)
			if (code_object_is_visible(code, instr))
				code_object_line(code, instr);
	}
	return 0;
}
