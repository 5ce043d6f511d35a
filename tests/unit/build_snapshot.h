/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * build_snapshot.h - snapshots from text: the JSON that json_format.c describes. What
 * is left out is null, false, 0 or empty; a thread runs Python unless its ident is null.
 */
#ifndef PYPROF_BUILD_SNAPSHOT_H
#define PYPROF_BUILD_SNAPSHOT_H

#include <jansson.h>

#include "dump/snapshot.h"

/* Fails the test when it cannot be. To be freed. */
struct snapshot *snapshot_of_json(const json_t *json);
/* The same from text in which ' stands for ". */
struct snapshot *snapshot_of_text(const char *text);

#endif
