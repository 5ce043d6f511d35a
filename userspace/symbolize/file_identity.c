/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "symbolize/file_identity.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/module_name.h"
#include "elf/debug_link.h"

#define KERNEL_NOTES	      "/sys/kernel/notes"
#define KERNEL_NOTES_SIZE_MAX (64u << 10)

/* build_id: in binary; size 0: there is none. */
static int identity_intern(const struct profile_tables *tables, const char *path, const u8 *build_id, size_t size,
			   u32 *ret)
{
	_cleanup_(free) char *plain = strndup(path, module_path_size(path));
	struct file_row row = {STRING_EMPTY, STRING_EMPTY};
	char hex[2 * BUILD_ID_SIZE_MAX + 1] = "";

	if (!plain)
		return -ENOMEM;
	for (size_t i = 0; i < size && i < BUILD_ID_SIZE_MAX; i++)
		sprintf(hex + 2 * i, "%02x", build_id[i]);
	int err = string_table_intern(tables->strings, plain, &row.path);
	if (!err)
		err = string_table_intern(tables->strings, hex, &row.build_id);
	if (!err)
		err = file_table_intern(tables->files, &row, ret);
	if (err != -ENOSPC)
		return err;
	*ret = FILE_NONE;
	return 0;
}

int file_identity_of_elf(const struct profile_tables *tables, struct elf_file *elf, u32 *ret)
{
	const u8 *build_id = NULL;
	size_t size = 0;

	int err = elf_file_build_id(elf, &build_id, &size);
	return err == -ENOMEM ? err : identity_intern(tables, elf_file_name(elf), build_id, size, ret);
}

int file_identity_of_path(const struct profile_tables *tables, const char *path, u32 *ret)
{
	return identity_intern(tables, path[0] == '/' ? path : "", NULL, 0, ret);
}

int file_identity_of_kernel(const struct profile_tables *tables, u32 *ret)
{
	_cleanup_(free) char *notes = NULL;
	struct debug_link link = {0};
	size_t size;

	int err = file_read(KERNEL_NOTES, KERNEL_NOTES_SIZE_MAX, &notes, &size);
	if (err == -ENOMEM)
		return err;
	if (!err)
		debug_link_read_notes(notes, size, &link);
	return identity_intern(tables, "", link.build_id, link.build_id_size, ret);
}
