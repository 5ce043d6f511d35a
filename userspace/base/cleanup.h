/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cleanup.h - release by scope. Declare where you acquire, with _cleanup_(name);
 * hand over with take(). A function uses scope or goto, never both.
 */
#ifndef PYPROF_CLEANUP_H
#define PYPROF_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(name) __attribute__((cleanup(name##_cleanup_)))

/* Each type joins in its own header. */
#define DEFINE_CLEANUP(name, type, fn)              \
	static inline void name##_cleanup_(type *p) \
	{                                           \
		if (*p)                             \
			fn(*p);                     \
	}

#define take(p)                           \
	({                                \
		__auto_type taken_ = (p); \
		(p) = 0;                  \
		taken_;                   \
	})

#define take_fd(fd)             \
	({                      \
		int fd_ = (fd); \
		(fd) = -1;      \
		fd_;            \
	})

static inline void free_cleanup_(void *p)
{
	free(*(void **)p);
}

static inline void fd_cleanup_(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

DEFINE_CLEANUP(stream, FILE *, fclose)
DEFINE_CLEANUP(directory, DIR *, closedir)

#endif
