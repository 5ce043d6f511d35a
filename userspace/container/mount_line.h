/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * mount_line.h - one line of /proc/PID/mountinfo (proc_pid_mountinfo(5)):
 *
 *	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
 *
 * What is mounted, where, what kind it is and the file system's own options. Blanks, newlines and backslashes in names are
 * written as \040 and so on. Who may mount chooses the names. Pure.
 */
#ifndef PYPROF_MOUNT_LINE_H
#define PYPROF_MOUNT_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cursor.h"

struct mount_text {
	const char *at; /* in the line, no NUL behind it */
	size_t size;
};

struct mount_line {
	struct mount_text root, target, type, options;
};

/* Takes the line and its newline, whether it is one or not. -EINVAL: it is none. */
int mount_line_parse(struct cursor *c, struct mount_line *ret);
/* Whether it is one of the words between commas. */
bool mount_text_has(const struct mount_text *text, const char *word);
bool mount_text_is(const struct mount_text *text, const char *word);
/* Without escapes. The caller frees it. */
int mount_text_copy(const struct mount_text *text, char **ret);

#endif
