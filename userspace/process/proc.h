/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* proc.h - /proc/PID of one process, and of no other that has its pid later. */
#ifndef PYPROF_PROC_H
#define PYPROF_PROC_H

#include <stddef.h>

#include "pyprof/record.h"

/* A directory that from then on means this process or nobody. -ESRCH: its pid is another's already. */
int proc_open(const struct process_id *id, int *ret);
/* A file in it, NUL behind; the caller frees. -EFBIG beyond limit. */
int proc_read(int directory, const char *name, size_t limit, char **ret, size_t *ret_size);

#endif
