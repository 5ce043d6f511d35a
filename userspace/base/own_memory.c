/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/own_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* One per process, as the memory is. */
static struct {
	atomic_bool is_call_allowed; /* process_vm_readv was seen to work */
	atomic_int fd; /* of /proc/self/mem + 1; 0: not open. Only where the call is refused */
	atomic_ullong device, inode; /* of that file: should somebody close it, the number may be another file's */
} own;

/* By the thread: a process whose first thread has ended is not found by its own number. */
static ssize_t call_read(u64 address, void *ret, size_t size)
{
	struct iovec local = {.iov_base = ret, .iov_len = size};
	struct iovec remote = {.iov_base = (void *)address, .iov_len = size};
	ssize_t read = process_vm_readv(syscall(SYS_gettid), &local, 1, &remote, 1, 0);

	return read < 0 ? -errno : read;
}

static ssize_t read_once(u64 address, void *ret, size_t size)
{
	if (atomic_load_explicit(&own.is_call_allowed, memory_order_relaxed))
		return call_read(address, ret, size);

	int fd = atomic_load(&own.fd) - 1;
	if (fd < 0 || (s64)address < 0)
		return fd < 0 ? -EPERM : -EFAULT;
	ssize_t read = pread(fd, ret, size, address);
	return read < 0 ? -EFAULT : read;
}

ssize_t own_memory_read_some(u64 address, void *ret, size_t size)
{
	size_t done = 0;

	/* The kernel may stop before the end of what is mapped; each turn reads a byte or is the last. */
	while (done < size) {
		ssize_t read = read_once(address + done, (u8 *)ret + done, size - done);

		if (read <= 0)
			return done ? (ssize_t)done : read ? read : -EFAULT;
		done += read;
	}
	return done;
}

static bool call_read_pieces(const u64 *addresses, size_t cnt, size_t size, void *ret)
{
	struct iovec local = {.iov_base = ret, .iov_len = cnt * size}, remote[OWN_MEMORY_PIECES_MAX];

	for (size_t i = 0; i < cnt; i++)
		remote[i] = (struct iovec){.iov_base = (void *)addresses[i], .iov_len = size};
	return process_vm_readv(syscall(SYS_gettid), &local, 1, remote, cnt, 0) == (ssize_t)local.iov_len;
}

int own_memory_read_pieces(const u64 *addresses, size_t cnt, size_t size, void *ret)
{
	if (atomic_load_explicit(&own.is_call_allowed, memory_order_relaxed) &&
	    call_read_pieces(addresses, cnt, size, ret))
		return 0;
	for (size_t i = 0; i < cnt; i++) {
		if (own_memory_read_some(addresses[i], (u8 *)ret + i * size, size) != (ssize_t)size)
			return -EFAULT;
	}
	return 0;
}

static bool is_open(void)
{
	int fd = atomic_load(&own.fd) - 1;
	struct stat file;

	return fd >= 0 && !fstat(fd, &file) && file.st_dev == atomic_load(&own.device) &&
	       file.st_ino == atomic_load(&own.inode);
}

void own_memory_open(void)
{
	u64 word = 0, copy;
	struct stat file;

	if (atomic_load_explicit(&own.is_call_allowed, memory_order_relaxed))
		return;
	if (call_read((u64)&word, &copy, sizeof(copy)) == sizeof(copy)) {
		atomic_store(&own.is_call_allowed, true);
		return;
	}
	if (is_open())
		return;
	/* What it was before is not ours to close. Two threads here at once leave one file open for good. */
	int fd = open("/proc/thread-self/mem", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &file))
		return;
	atomic_store(&own.device, file.st_dev);
	atomic_store(&own.inode, file.st_ino);
	atomic_store(&own.fd, fd + 1);
}

void own_memory_after_fork(void)
{
	if (is_open())
		close(atomic_load(&own.fd) - 1);
	atomic_store(&own.fd, 0);
}

static int own_read(const struct remote_memory *memory, u64 address, void *ret, size_t size)
{
	ssize_t read = own_memory_read_some(address, ret, size);

	if (read < 0)
		return read;
	return (size_t)read == size ? 0 : -EFAULT;
}

struct remote_memory own_memory(void)
{
	return (struct remote_memory){.read = own_read, .pid = getpid()};
}

struct remote_memory own_or_remote_memory(int pid)
{
	if (pid != getpid())
		return remote_memory_of_process(pid);
	own_memory_open();
	return own_memory();
}
