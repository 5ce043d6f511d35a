/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * maps_line.h - one line of /proc/PID/maps (fs/proc/task_mmu.c, show_map_vma):
 *
 *	55d5b8a43000-55d5b8a48000 r-xp 00002000 fe:01 1835   /usr/bin/cat
 *
 * Numbers are hexadecimal but for the inode. What stands behind the blanks is
 * the path to the end of the line, blanks included; the kernel writes a newline
 * in it as \012. Paths are the process's own idea: any bytes.
 */
#ifndef PYPROF_MAPS_LINE_H
#define PYPROF_MAPS_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cursor.h"
#include "process/mapping.h"

struct maps_line {
	struct mapping mapping; /* its path is NULL */
	const char *path; /* in the text, escaped, no NUL behind it */
	size_t path_size;
	bool is_executable;
};

/* -EINVAL when it is none. Takes the newline too. */
int maps_line_parse(struct cursor *c, struct maps_line *ret);
/* The path as it is; the caller frees it. */
int maps_line_path(const struct maps_line *line, char **ret);

#endif
