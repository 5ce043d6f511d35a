/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "elf/elf_bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"

int elf_bytes_open(int fd_, struct elf_bytes *ret)
{
	_cleanup_(fd) int fd = fd_;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -ENOEXEC;
	*ret = (struct elf_bytes){.fd = take_fd(fd), .stamp = file_stamp_of(&st)};
	return 0;
}

int elf_bytes_open_by_path(int fd_, const char *path_, struct elf_bytes *ret)
{
	_cleanup_(fd) int fd = fd_;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= 0)
		return -ENOEXEC;
	_cleanup_(free) char *path = strdup(path_);
	if (!path)
		return -ENOMEM;
	struct elf_bytes bytes = {.fd = -1, .path = path, .stamp = file_stamp_of(&st)};
	int err = elf_bytes_check(&bytes);
	if (err)
		return err;
	take(path);
	*ret = bytes;
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
	if (!bytes->is_borrowed) {
		if (bytes->fd >= 0)
			close(bytes->fd);
		free(bytes->path);
		free(bytes->at);
	}
	*bytes = ELF_BYTES_NONE;
}

static int check_stamp(int fd, const struct file_stamp *stamp)
{
	struct file_stamp now;
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	now = file_stamp_of(&st);
	return file_stamp_is_same(&now, stamp) ? 0 : -ESTALE;
}

/* By its path may lie anything by now: what might wait or do things is opened in such a way that it does not. */
static int reopen(struct elf_bytes *bytes, struct elf_bytes *ret)
{
	_cleanup_(fd) int fd = open(bytes->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	int err = fd < 0 ? -errno : check_stamp(fd, &bytes->stamp);
	bytes->is_lost = err;
	if (err)
		return err;
	*ret = (struct elf_bytes){.fd = take_fd(fd), .stamp = bytes->stamp};
	return 0;
}

int elf_bytes_hold(struct elf_bytes *bytes, struct elf_bytes *ret)
{
	if (bytes->path)
		return reopen(bytes, ret);
	*ret = *bytes;
	ret->is_borrowed = true;
	return 0;
}

int elf_bytes_check(struct elf_bytes *bytes)
{
	_cleanup_(elf_bytes) struct elf_bytes held = ELF_BYTES_NONE;

	if (bytes->path)
		return reopen(bytes, &held);
	return bytes->fd >= 0 ? check_stamp(bytes->fd, &bytes->stamp) : 0;
}

int elf_bytes_read(struct elf_bytes *bytes, u64 offset, void *ret, size_t size)
{
	_cleanup_(elf_bytes) struct elf_bytes held = ELF_BYTES_NONE;
	int err = elf_bytes_hold(bytes, &held);

	if (err)
		return err;
	if (held.fd >= 0)
		return file_read_at(held.fd, offset, ret, size);
	if (offset > held.size || size > held.size - offset)
		return -EFAULT;
	memcpy(ret, (const char *)held.at + offset, size);
	return 0;
}

int elf_bytes_size(struct elf_bytes *bytes, u64 *ret)
{
	_cleanup_(elf_bytes) struct elf_bytes held = ELF_BYTES_NONE;
	struct stat st;

	int err = elf_bytes_hold(bytes, &held);
	if (err)
		return err;
	if (held.fd >= 0 && fstat(held.fd, &st))
		return -errno;
	*ret = held.fd >= 0 ? (u64)st.st_size : held.size;
	return 0;
}
