/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * elf_bytes.h - the bytes of a file that the rest of elf/ looks into:
 *
 *	by a descriptor	each read is a pread: a file that shrinks under us gives an error, not SIGBUS
 *	reopened	neither descriptor nor mapping is kept, for those who live in a program that is not ours and
 *			may close all that it does not know: the file is opened by its path for each batch of reads,
 *			3 us, and read only while it is what it was
 *	copied		of bytes that were in memory before
 */
#ifndef PYPROF_ELF_BYTES_H
#define PYPROF_ELF_BYTES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/file_stamp.h"
#include "pyprof/types.h"

struct elf_bytes {
	int fd; /* -1: they are not read by one */
	char *path; /* NULL: not reopened */
	void *at; /* NULL: not in memory */
	size_t size; /* in memory */
	struct file_stamp stamp; /* of the file as it was first */
	bool is_borrowed; /* what is above is another's */
	bool is_lost; /* the file could not be opened again, or is another one now */
};

#define ELF_BYTES_NONE     \
	(struct elf_bytes) \
	{                  \
		.fd = -1   \
	}

/*
 * Both take over fd, also on failure; the second closes it at once, and goes by the path, which must lead to the same
 * file and is copied. -ENOEXEC: there is no file, or nothing in it.
 */
int elf_bytes_open(int fd, struct elf_bytes *ret);
int elf_bytes_open_by_path(int fd, const char *path, struct elf_bytes *ret);
int elf_bytes_copy(const void *data, size_t size, struct elf_bytes *ret);

/* There are none afterwards; nothing happens when there were none. */
void elf_bytes_close(struct elf_bytes *bytes);

static inline void elf_bytes_cleanup_(struct elf_bytes *bytes)
{
	elf_bytes_close(bytes);
}

static inline bool elf_bytes_exist(const struct elf_bytes *bytes)
{
	return bytes->fd >= 0 || bytes->path || bytes->at;
}

/*
 * The same bytes for a batch of reads, for which a file is opened once: borrowed from bytes, so close them first.
 * -ESTALE: the file was rewritten, or is another one, since it was first opened; other -errno: it is not found any more.
 */
int elf_bytes_hold(struct elf_bytes *bytes, struct elf_bytes *ret);

/* Whether they are what they were first, by the file's stamp; found again, what was lost is not lost. As elf_bytes_hold(). */
int elf_bytes_check(struct elf_bytes *bytes);

/* Exactly size bytes at an offset. -EFAULT when the file ends before; as elf_bytes_hold(). */
int elf_bytes_read(struct elf_bytes *bytes, u64 offset, void *ret, size_t size);

/* How many there are now. */
int elf_bytes_size(struct elf_bytes *bytes, u64 *ret);

#endif
