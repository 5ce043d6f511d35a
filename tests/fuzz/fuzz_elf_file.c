/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_elf_file.c - any bytes as an ELF file: every question to it comes back. Its own debug file too. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "elf/elf_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask_symbols(struct elf_file *file, u64 address)
{
	const struct symbol *symbol = elf_file_symbol(file, address);

	if (symbol && (!symbol->size || address - symbol->start >= symbol->size || !symbol->name[0]))
		abort();
}

/* As its own debug file it has the right build id. */
static void add_itself(struct elf_file *file, const uint8_t *data, size_t size)
{
	int fd = memfd_create("debug", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	elf_file_add_debug_file(file, fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const u64 offsets[] = {0, 0x1000, 0x1010, 0x2000, UINT64_MAX};
	_cleanup_(elf_file) struct elf_file *file = NULL;
	u64 address, object_size;
	size_t build_id_size;
	const u8 *build_id;
	u8 bytes[16];

	if (elf_file_open_memory(data, size, "fuzz", &file))
		return 0;
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		if (elf_file_address_of_offset(file, offsets[i], &address))
			address = offsets[i];
		ask_symbols(file, address);
		elf_file_read(file, address, bytes, sizeof(bytes));
		elf_file_follows_call(file, address);
	}
	elf_file_section(file, ".text", &address, &object_size);
	elf_file_object(file, "_PyRuntime", &address, &object_size);
	elf_file_soname(file);
	if (!elf_file_build_id(file, &build_id, &build_id_size) && !build_id_size)
		abort();
	elf_file_debug_name(file);
	elf_file_is_stripped(file);
	add_itself(file, data, size);
	ask_symbols(file, 0x1000);
	return 0;
}
