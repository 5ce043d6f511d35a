/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* name_rows.h - texts by id and label, in one block of memory: what one file says. For name_cache.c, and parsers. */
#ifndef PYPROF_NAME_ROWS_H
#define PYPROF_NAME_ROWS_H

#include "base/strbuf.h"
#include "profile/label.h"
#include "pyprof/types.h"

struct name_row {
	u32 id_at, text_ats[LABEL_PLACE_CNT]; /* where in `texts`; 0: none */
};

struct name_rows {
	struct strbuf texts; /* NUL behind each; begins with one */
	struct name_row *rows;
	u32 cnt, capacity;
};

/* Once, after the last was added: sorts, by id and the first of equal ones first; and gives back memory. */
void name_rows_finish(struct name_rows *rows);
/* NULL: there is none. */
const struct name_row *name_rows_find(const struct name_rows *rows, const char *id);
const char *name_row_text(const struct name_rows *rows, const struct name_row *row, enum label label);
size_t name_rows_size(const struct name_rows *rows); /* of memory */
void name_rows_deinit(struct name_rows *rows);

#endif
