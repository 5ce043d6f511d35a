/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/spool_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "export/spool_record.h"

#define LOCK_NAME   "lock"
#define ENTRIES_MAX (1u << 20) /* names that are looked at */

struct spool_folder {
	int fd, lock_fd;
};

void spool_folder_close(struct spool_folder *folder)
{
	if (folder->lock_fd >= 0)
		close(folder->lock_fd);
	if (folder->fd >= 0)
		close(folder->fd);
	free(folder);
}

/* Behind "name/" a symlink would be followed in spite of O_NOFOLLOW. */
static char *path_without_slashes(const char *path)
{
	size_t size = strlen(path);

	while (size > 1 && path[size - 1] == '/')
		size--;
	return strndup(path, size);
}

static int open_own_directory(const char *path, int *ret, const char **ret_step)
{
	struct stat st;

	*ret_step = "the spool's folder cannot be made (is the folder there that it shall be in?)";
	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	*ret_step = "the spool's folder cannot be opened, or is a symlink";
	_cleanup_(fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	*ret_step = "the spool's folder belongs to another user";
	if (st.st_uid != geteuid())
		return -EPERM;
	*ret_step = "other users may write into the spool's folder (chmod go-w it)";
	if (st.st_mode & 0022)
		return -EPERM;
	*ret = take_fd(fd);
	return 0;
}

/* Held as long as the descriptor is: it ends with the program, however that ends. */
static int lock(struct spool_folder *folder, const char **ret_step)
{
	*ret_step = "the spool's folder cannot be locked";
	folder->lock_fd = openat(folder->fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	if (folder->lock_fd < 0)
		return -errno;
	if (!flock(folder->lock_fd, LOCK_EX | LOCK_NB))
		return 0;
	if (errno == EWOULDBLOCK)
		*ret_step = "another profiler uses the spool's folder (give each its own --spool)";
	return -errno;
}

int spool_folder_open(const char *path, struct spool_folder **ret, const char **ret_step)
{
	_cleanup_(free) char *bare = path_without_slashes(path);
	_cleanup_(spool_folder) struct spool_folder *folder = calloc(1, sizeof(*folder));

	*ret_step = "the spool's folder cannot be opened";
	if (!bare || !folder) {
		free(take(folder));
		return -ENOMEM;
	}
	folder->fd = folder->lock_fd = -1;
	int err = open_own_directory(bare, &folder->fd, ret_step);
	if (!err)
		err = lock(folder, ret_step);
	if (!err)
		*ret = take(folder);
	return err;
}

/* A regular file of ours, at its beginning. O_NONBLOCK: a pipe in its place must not stop us. */
static int file_open(struct spool_folder *folder, u64 number, u64 *ret_size)
{
	char name[SPOOL_NAME_SIZE];
	struct stat st;

	spool_name(number, name);
	_cleanup_(fd) int fd = openat(folder->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st))
		return errno == ELOOP ? -EBADMSG : -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return -EBADMSG;
	*ret_size = st.st_size;
	return take_fd(fd);
}

static int head_read(int fd, u64 file_size, struct spool_head *ret)
{
	struct spool_head bytes;
	int err = file_read_at(fd, 0, &bytes, sizeof(bytes));

	if (err)
		return err == -EFAULT ? -EBADMSG : err;
	return spool_head_read(&bytes, sizeof(bytes), file_size, ret);
}

int spool_folder_read(struct spool_folder *folder, u64 number, u64 destination, void **ret, size_t *ret_size)
{
	u64 file_size = 0;
	struct spool_head head;
	_cleanup_(fd) int fd = file_open(folder, number, &file_size);

	if (fd < 0)
		return fd;
	int err = head_read(fd, file_size, &head);
	if (err)
		return err;
	if (head.destination != destination)
		return -EBADMSG;
	_cleanup_(free) void *body = malloc(head.body_size);
	if (!body)
		return -ENOMEM;
	err = file_read_at(fd, sizeof(head), body, head.body_size);
	if (err)
		return err == -EFAULT ? -EBADMSG : err;
	if (!spool_body_is(&head, body, head.body_size))
		return -EBADMSG;
	*ret = take(body);
	*ret_size = head.body_size;
	return 0;
}

void spool_folder_remove(struct spool_folder *folder, u64 number)
{
	char name[SPOOL_NAME_SIZE];

	spool_name(number, name);
	unlinkat(folder->fd, name, 0);
}

static int file_fill(int fd, const struct spool_head *head, const void *body, u32 size)
{
	int err = file_write_all(fd, head, sizeof(*head));

	return err ? err : file_write_all(fd, body, size);
}

int spool_folder_write(struct spool_folder *folder, u64 number, u64 destination, const void *body, u32 size)
{
	char name[SPOOL_NAME_SIZE], temporary[SPOOL_NAME_SIZE + 4];
	struct spool_head head;

	spool_name(number, name);
	snprintf(temporary, sizeof(temporary), "%s.tmp", name);
	spool_head_fill(&head, destination, body, size);
	_cleanup_(fd) int fd = openat(folder->fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				      0600);
	if (fd < 0)
		return -errno;
	int err = file_fill(fd, &head, body, size);
	if (!err && renameat(folder->fd, temporary, folder->fd, name))
		err = -errno;
	if (err)
		unlinkat(folder->fd, temporary, 0);
	return err;
}

struct listing {
	struct spool_file *files;
	size_t capacity, max;
	struct spool_listing found;
};

static void listing_deinit(struct listing *listing)
{
	free(listing->files);
}

static int listing_add(struct listing *listing, u64 number, const struct spool_head *head)
{
	void *more = array_reserve(listing->files, &listing->capacity, listing->found.cnt + 1, sizeof(*listing->files));

	if (!more)
		return -ENOMEM;
	listing->files = more;
	listing->files[listing->found.cnt++] = (struct spool_file){number, head->destination, head->body_size};
	return 0;
}

/* Its number must not be given to another, or that would take its place. */
static void leave(struct spool_folder *folder, const char *name, struct listing *listing)
{
	struct stat st;

	if (!fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) && st.st_size > 0)
		listing->found.unread_size += st.st_size;
}

static int look_at(struct spool_folder *folder, const char *name, struct listing *listing)
{
	struct spool_head head;
	u64 number, size = 0;

	if (spool_name_is_temporary(name))
		unlinkat(folder->fd, name, 0);
	if (spool_name_read(name, &number))
		return 0;
	if (number >= listing->found.next_number)
		listing->found.next_number = number + 1;
	_cleanup_(fd) int fd = listing->found.cnt < listing->max ? file_open(folder, number, &size) : -E2BIG;
	int err = fd < 0 ? fd : head_read(fd, size, &head);
	if (!err)
		return listing_add(listing, number, &head);
	if (err == -EBADMSG) {
		spool_folder_remove(folder, number);
		listing->found.damaged++;
	} else {
		leave(folder, name, listing);
	}
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const struct spool_file *one = a, *other = b;

	return one->number < other->number ? -1 : one->number > other->number;
}

int spool_folder_list(struct spool_folder *folder, size_t max, struct spool_file **ret,
		      struct spool_listing *ret_listing)
{
	__attribute__((cleanup(listing_deinit))) struct listing listing = {.max = max};
	int fd = openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(directory) DIR *directory = fd < 0 ? NULL : fdopendir(fd);

	if (!directory) {
		int err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	struct dirent *entry;
	for (u32 seen = 0; seen < ENTRIES_MAX && (entry = readdir(directory)); seen++) {
		int err = look_at(folder, entry->d_name, &listing);
		if (err)
			return err;
	}
	if (listing.found.cnt)
		qsort(listing.files, listing.found.cnt, sizeof(*listing.files), by_number);
	*ret_listing = listing.found;
	*ret = take(listing.files);
	return 0;
}
