/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "elf/elf_bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"

int elf_bytes_open(int fd, struct elf_bytes *ret)
{
	if (fd < 0)
		return -ENOEXEC;
	*ret = (struct elf_bytes){.fd = fd};
	return 0;
}

int elf_bytes_map(int fd_, struct elf_bytes *ret)
{
	_cleanup_(fd) int fd = fd_;
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= 0)
		return -ENOEXEC;
	void *at = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	*ret = (struct elf_bytes){.fd = -1, .at = at, .size = st.st_size, .is_mapped = true};
	return 0;
}

int elf_bytes_copy(const void *data, size_t size, struct elf_bytes *ret)
{
	void *at = malloc(size ? size : 1);

	if (!at)
		return -ENOMEM;
	memcpy(at, data, size);
	*ret = (struct elf_bytes){.fd = -1, .at = at, .size = size};
	return 0;
}

void elf_bytes_close(struct elf_bytes *bytes)
{
	if (bytes->fd >= 0)
		close(bytes->fd);
	if (bytes->is_mapped)
		munmap(bytes->at, bytes->size);
	else
		free(bytes->at);
	*bytes = ELF_BYTES_NONE;
}

int elf_bytes_read(const struct elf_bytes *bytes, u64 offset, void *ret, size_t size)
{
	if (bytes->fd >= 0)
		return file_read_at(bytes->fd, offset, ret, size);
	if (offset > bytes->size || size > bytes->size - offset)
		return -EFAULT;
	memcpy(ret, (const char *)bytes->at + offset, size);
	return 0;
}

int elf_bytes_size(const struct elf_bytes *bytes, u64 *ret)
{
	struct stat st;

	if (bytes->fd >= 0 && fstat(bytes->fd, &st))
		return -errno;
	*ret = bytes->fd >= 0 ? (u64)st.st_size : bytes->size;
	return 0;
}
