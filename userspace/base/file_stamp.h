/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* file_stamp.h - what tells a file, and what it holds now, from others and from what it held before. */
#ifndef PYPROF_FILE_STAMP_H
#define PYPROF_FILE_STAMP_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "pyprof/types.h"

struct file_stamp {
	u64 device, inode, size;
	u64 changed_ns; /* mtime */
};

static inline struct file_stamp file_stamp_of(const struct stat *st)
{
	return (struct file_stamp){
		.device = st->st_dev,
		.inode = st->st_ino,
		.size = st->st_size,
		.changed_ns = st->st_mtim.tv_sec * NS_PER_S + st->st_mtim.tv_nsec,
	};
}

static inline bool file_stamp_is_same(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size && a->changed_ns == b->changed_ns;
}

#endif
