/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * place_path.h - `-o 'flames/{container}.svg'`: the names of files that are named after places. What
 * a place is called, others chose: only a name that is one file in that folder comes of it.
 */
#ifndef PYPROF_PLACE_PATH_H
#define PYPROF_PLACE_PATH_H

#include <stdbool.h>

struct strbuf;

#define PLACE_PATH_WORD "{container}"

/* Has the path a placeholder? */
bool place_path_is(const char *path);
/* Of any path. -EINVAL: `error` says in a sentence what to write instead. */
int place_path_check(const char *path, struct strbuf *error);
/*
 * The path for a place. '/', '?', '*', control characters and those that hide, and a '.' or '-' at the beginning
 * become '_'; what is no UTF-8 becomes U+FFFD. A name for which there is no room is cut, so that
 * `mark` (which tells places of the same name apart; "": nothing) and the suffix stay.
 */
void place_path_put(const char *path, const char *name, const char *mark, struct strbuf *b);

#endif
