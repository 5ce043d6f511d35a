/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * code_snapshot.h - a code_record (record.h) as memory that can be read: the pieces
 * that the kernel side copied. What lies elsewhere (types, which are never freed)
 * is read from the process. What begins in a piece and is longer is not read at
 * all: in the process something else may be there by now.
 */
#ifndef PYPROF_CODE_SNAPSHOT_H
#define PYPROF_CODE_SNAPSHOT_H

#include "base/remote_memory.h"
#include "pyprof/record.h"

struct code_snapshot {
	struct remote_memory memory; /* first: what is handed on is a pointer to it */
	const struct code_record *record;
	const struct remote_memory *live;
};

/* record and live are borrowed. */
void code_snapshot_init(struct code_snapshot *snapshot, const struct code_record *record,
			const struct remote_memory *live);

#endif
