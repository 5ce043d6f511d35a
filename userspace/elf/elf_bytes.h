/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * elf_bytes.h - the bytes of a file that the rest of elf/ looks into:
 *
 *	by a descriptor	each read is a pread: a file that shrinks under us gives an error, not SIGBUS
 *	mapped		no descriptor is kept, for those who live in a program that is not ours and may close
 *			all that it does not know; a file that shrinks hurts
 *	copied		of bytes that were in memory before
 */
#ifndef PYPROF_ELF_BYTES_H
#define PYPROF_ELF_BYTES_H

#include <stdbool.h>
#include <stddef.h>

#include "pyprof/types.h"

struct elf_bytes {
	int fd; /* -1: they are in memory, or there are none */
	void *at; /* NULL: not in memory */
	size_t size; /* in memory */
	bool is_mapped; /* not copied */
};

#define ELF_BYTES_NONE     \
	(struct elf_bytes) \
	{                  \
		.fd = -1   \
	}

/* Both take over fd, also on failure; the second closes it at once. -ENOEXEC: there is no file, or nothing in it. */
int elf_bytes_open(int fd, struct elf_bytes *ret);
int elf_bytes_map(int fd, struct elf_bytes *ret);
int elf_bytes_copy(const void *data, size_t size, struct elf_bytes *ret);

/* There are none afterwards; nothing happens when there were none. */
void elf_bytes_close(struct elf_bytes *bytes);

static inline void elf_bytes_cleanup_(struct elf_bytes *bytes)
{
	elf_bytes_close(bytes);
}

static inline bool elf_bytes_exist(const struct elf_bytes *bytes)
{
	return bytes->fd >= 0 || bytes->at;
}

/* Exactly size bytes at an offset. -EFAULT when the file ends before. */
int elf_bytes_read(const struct elf_bytes *bytes, u64 offset, void *ret, size_t size);

/* How many there are now. */
int elf_bytes_size(const struct elf_bytes *bytes, u64 *ret);

#endif
