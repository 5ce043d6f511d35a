/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * own_file.h - a file that this very process maps, found by its path and proven by its text.
 *
 * The last resort for a library in a program without privileges: map_files is not for
 * everybody, and on some file systems (FUSE, overlayfs, btrfs, 9p) what mappings call a
 * file's device and inode is not what stat(2) says. A file that was deleted and put there
 * again, as an upgrade does, is the same when its text is.
 */
#ifndef PYPROF_OWN_FILE_H
#define PYPROF_OWN_FILE_H

#include <stdbool.h>

#include "elf/elf_file.h"
#include "process/mapping.h"

/* An O_PATH descriptor of what lies at the mapping's path, and that path without what the kernel adds. -errno. */
int own_file_find(const struct mapping *mapping, char **ret_path);

/* Whether the mapping, of this process, has the text that the file has there. */
bool own_file_matches(const struct mapping *mapping, struct elf_file *elf);

#endif
