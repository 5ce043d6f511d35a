/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Any bytes as an ELF file with a CPython in it: what is called supported has a layout that walkers may follow. */
#include "python/python_file.h"

#include <stddef.h>
#include <stdint.h>

#include "python/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(elf_file) struct elf_file *elf = NULL;
	struct python_file file;

	if (elf_file_open_memory(data, size, "fuzz", &elf) || python_file_inspect(elf, &file))
		return 0;
	if (file.supported && (python_layout_check(&file.layout) || file.layout.version != file.version))
		__builtin_trap();
	return 0;
}
