/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "process/file_function.h"

#include "process/debug_file.h"

int file_function_find(struct mapped_file *file, int pid, u64 address, struct file_function *ret)
{
	if (!file->debug_file_searched) {
		file->debug_file_searched = true;
		if (elf_file_is_stripped(file->elf))
			debug_file_add(pid, file->elf);
	}

	const struct symbol *symbol = elf_file_symbol(file->elf, address);
	u64 start;
	int err = symbol ? 0 : elf_file_function_start(file->elf, address, &start);
	if (err)
		return err;
	*ret = (struct file_function){
		.symbol = symbol ? symbol->name : NULL,
		.start = symbol ? symbol->start : start,
	};
	return 0;
}
