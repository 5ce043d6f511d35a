/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A process's memory with a code object at its beginning, signed as the kernel side would. */
#include "python/code_object.h"

#include "python/layout.h"

#define BASE 0x10000

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static u32 signature_of(const struct remote_memory *memory, const struct python_layout *layout)
{
	u64 name = 0, hash = 0, filename = 0;
	u32 version = 0, first_line = 0;

	if (layout->code_version != ABSENT)
		remote_read(memory, BASE + layout->code_version, &version, sizeof(version));
	remote_read(memory, BASE + layout->code_first_line, &first_line, sizeof(first_line));
	remote_read(memory, BASE + layout->code_filename, &filename, sizeof(filename));
	remote_read(memory, BASE + layout->code_name, &name, sizeof(name));
	remote_read(memory, name + layout->string_hash, &hash, sizeof(hash));
	return python_signature(version, hash, first_line, filename);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const u32 versions[] = {0x030b00f0, 0x030c00f0};
	struct remote_memory memory = remote_memory_of_bytes(data, size, BASE);

	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		_cleanup_(code_object) struct code_object *code = NULL;
		struct python_layout layout;

		if (python_layout_of_version(versions[i], &layout))
			__builtin_trap();
		if (code_object_read(&memory, &layout, BASE, signature_of(&memory, &layout), &code))
			continue;
		for (u32 instr = 0; instr < 32; instr += 2)
			code_object_line(code, instr);
	}
	return 0;
}
