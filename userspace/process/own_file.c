/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "process/own_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/own_memory.h"
#include "process/text_copy.h"

#define SPOT_SIZE  64
#define BEGIN_SIZE 4096 /* of the text, all of which is compared */
#define LITTLE_SIZE \
	(64 << 10) /* so little text is proven by its beginning; of more, a few spots must be the same too */

int own_file_find(const struct mapping *mapping, char **ret_path)
{
	static const char deleted[] = " (deleted)";
	size_t length = strlen(mapping->path), end = sizeof(deleted) - 1;

	if (mapping->path[0] != '/')
		return -ENOENT;
	if (length > end && !strcmp(mapping->path + length - end, deleted))
		length -= end;
	_cleanup_(free) char *path = strndup(mapping->path, length);
	if (!path)
		return -ENOMEM;
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_path = take(path);
	return fd;
}

/* Where text ends before the page does, the file has no more of it. */
static bool begin_matches(const struct remote_memory *memory, const struct mapping *mapping, struct elf_file *elf)
{
	u8 in_file[SPOT_SIZE], in_memory[SPOT_SIZE];
	size_t offset = 0;
	u64 address;

	if (elf_file_address_of_offset(elf, mapping->file_offset, &address))
		return false;
	for (; offset < BEGIN_SIZE && !elf_file_read(elf, address + offset, in_file, SPOT_SIZE); offset += SPOT_SIZE) {
		if (remote_read(memory, mapping->start + offset, in_memory, SPOT_SIZE) ||
		    memcmp(in_memory, in_file, SPOT_SIZE))
			return false;
	}
	return offset > 0;
}

bool own_file_matches(const struct mapping *mapping, struct elf_file *elf)
{
	const struct remote_memory memory = own_or_remote_memory(getpid());
	u64 size = mapping->end - mapping->start;

	return begin_matches(&memory, mapping, elf) &&
	       (size <= LITTLE_SIZE || text_copy_matches(&memory, mapping->start, size, elf, mapping->file_offset));
}
