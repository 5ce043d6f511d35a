/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * file_identity.h - which file it is that code lies in, as rows of the file_table: its path as the
 * process sees it, and its build id. *ret is FILE_NONE when the table is full. Fail only with -ENOMEM.
 */
#ifndef PYPROF_FILE_IDENTITY_H
#define PYPROF_FILE_IDENTITY_H

#include "elf/elf_file.h"
#include "profile/profile.h"

/* May read the file. elf's name is its path. */
int file_identity_of_elf(const struct profile_tables *tables, struct elf_file *elf, u32 *ret);
/* A file that cannot be read. What is no path ("[stack]", "") is none. */
int file_identity_of_path(const struct profile_tables *tables, const char *path, u32 *ret);
/* The kernel that runs, whose symbols are those of its modules, too: it has no path. */
int file_identity_of_kernel(const struct profile_tables *tables, u32 *ret);

#endif
