/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "process/text_copy.h"

#include <string.h>

#define SPOT_SIZE    64
#define SPOTS	     8 /* spread over the range */
#define SPOTS_NEEDED 2 /* that have something to compare */

/* Padding is the same everywhere, so it proves nothing. */
static bool is_uniform(const u8 *bytes)
{
	return !memcmp(bytes, bytes + 1, SPOT_SIZE - 1);
}

bool text_copy_matches(const struct remote_memory *memory, u64 address, u64 size, struct elf_file *elf, u64 file_offset)
{
	u8 in_memory[SPOT_SIZE], in_file[SPOT_SIZE];
	int matching = 0;

	if (size < SPOTS * SPOT_SIZE)
		return false;
	for (u64 i = 0; i < SPOTS; i++) {
		u64 offset = size / SPOTS * i, vaddr;

		/* What moved the text may have rounded up, beyond what the file has. */
		if (elf_file_address_of_offset(elf, file_offset + offset, &vaddr) ||
		    elf_file_read(elf, vaddr, in_file, SPOT_SIZE) || is_uniform(in_file))
			continue;
		if (remote_read(memory, address + offset, in_memory, SPOT_SIZE) ||
		    memcmp(in_memory, in_file, SPOT_SIZE))
			return false;
		matching++;
	}
	return matching >= SPOTS_NEEDED;
}
