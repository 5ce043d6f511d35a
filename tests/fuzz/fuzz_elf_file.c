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

static int descriptor_of(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	return fd;
}

static void ask_all(struct elf_file *file)
{
	static const u64 offsets[] = {0, 0x1000, 0x1010, 0x2000, UINT64_MAX};
	u64 address, object_size, start;
	size_t build_id_size;
	const u8 *build_id;
	u8 bytes[16];

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		if (elf_file_address_of_offset(file, offsets[i], &address))
			address = offsets[i];
		ask_symbols(file, address);
		elf_file_read(file, address, bytes, sizeof(bytes));
		elf_file_follows_call(file, address);
		if (!elf_file_function_start(file, address, &start) && start > address)
			abort();
	}
	elf_file_section(file, ".text", &address, &object_size);
	elf_file_object(file, "_PyRuntime", &address, &object_size);
	elf_file_soname(file);
	if (!elf_file_build_id(file, &build_id, &build_id_size) && !build_id_size)
		abort();
	elf_file_debug_name(file);
	elf_file_is_stripped(file);
}

/* In memory and by a descriptor, for libelf takes another way through each. As its own debug file it has the right build id. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(elf_file) struct elf_file *file = NULL, *other = NULL;

	int err = elf_file_open_memory(data, size, "fuzz", &file);
	if (err != elf_file_open_fd(descriptor_of(data, size), "fuzz", &other))
		abort();
	if (err)
		return 0;
	ask_all(file);
	ask_all(other);
	elf_file_add_debug_file(other, descriptor_of(data, size), "fuzz");
	ask_symbols(other, 0x1000);
	return 0;
}
