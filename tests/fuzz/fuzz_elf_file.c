/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_elf_file.c - any bytes as an ELF file: every question to it comes back. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "elf/elf_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const u64 offsets[] = {0, 0x1000, 0x1010, 0x2000, UINT64_MAX};
	_cleanup_(elf_file) struct elf_file *file = NULL;
	u64 address, object_size;
	u8 bytes[16];

	if (elf_file_open_memory(data, size, "fuzz", &file))
		return 0;
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		if (elf_file_address_of_offset(file, offsets[i], &address))
			address = offsets[i];
		const struct symbol *symbol = elf_file_symbol(file, address);
		if (symbol && (!symbol->size || address - symbol->start >= symbol->size || !symbol->name[0]))
			abort();
		elf_file_read(file, address, bytes, sizeof(bytes));
		elf_file_follows_call(file, address);
	}
	elf_file_section(file, ".text", &address, &object_size);
	elf_file_object(file, "_PyRuntime", &address, &object_size);
	elf_file_soname(file);
	return 0;
}
