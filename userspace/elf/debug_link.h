/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * debug_link.h - what ties a stripped file to the file that has its symbols: the
 * build id, which both carry, and the name and checksum in .gnu_debuglink.
 *
 * The build id is the note (owner "GNU", type NT_GNU_BUILD_ID) in a PT_NOTE or
 * SHT_NOTE. .gnu_debuglink is a file's base name with its NUL, padding to 4 bytes,
 * and the CRC-32 (zlib's) of that file's bytes. (gdb's manual, "Separate Debug Files")
 */
#ifndef PYPROF_DEBUG_LINK_H
#define PYPROF_DEBUG_LINK_H

#include <libelf.h>
#include <stddef.h>

#include "elf/elf_bytes.h"
#include "pyprof/types.h"

#define BUILD_ID_SIZE_MAX 64 /* linkers write 8, 16 or 20 */

struct debug_link {
	u8 build_id[BUILD_ID_SIZE_MAX];
	size_t build_id_size; /* 0: there is none */
	char name[256]; /* a base name; "": there is none */
	u32 crc;
};

void debug_link_read(Elf *elf, struct debug_link *ret);
/* The build id alone, from notes without a file: the kernel's, as /sys/kernel/notes has them. */
void debug_link_read_notes(const void *notes, size_t size, struct debug_link *ret);

/*
 * Whether another file belongs to this one: by build id where both have one, else by
 * checksum, which reads all of it. -ESTALE: it does not. -ENOEXEC: no ELF file. -EFBIG: too much to read.
 */
int debug_link_check(const struct debug_link *link, struct elf_bytes *bytes);

#endif
