/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * source_cache.h - source files of the programs that are watched, for the text of
 * expressions. A file is read once, when the first frame of it is seen, while its
 * process still lives; what could not be read is not tried again.
 *
 * A process names its files itself, and what is read is shown. So only a
 * regular `.py` file below the process's own root is read, that all may read or that is
 * its user's; and only one that has not changed since the process began,
 * for else it is not what was compiled. Bounded in bytes; at the bound it
 * starts anew.
 */
#ifndef PYPROF_SOURCE_CACHE_H
#define PYPROF_SOURCE_CACHE_H

#include "base/cleanup.h"
#include "process/process.h"
#include "python/expression.h"

struct source_cache;

int source_cache_new(struct source_cache **ret);
void source_cache_free(struct source_cache *cache);
DEFINE_CLEANUP(source_cache, struct source_cache *, source_cache_free)

/* Appends the expression (expression.h). -ENOENT: it is not to be had. */
int source_cache_put(struct source_cache *cache, const struct process *process, const char *path,
		     const struct line_position *at, struct strbuf *b);

#endif
