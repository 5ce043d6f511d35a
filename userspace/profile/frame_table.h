/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * frame_table.h - a frame once, by id. A frame is one level of a stack as people
 * read it. Native and kernel frames are interned by where they are and named
 * later, on the way out: interning costs a look-up, naming may open files.
 */
#ifndef PYPROF_FRAME_TABLE_H
#define PYPROF_FRAME_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "pyprof/losses.h"
#include "pyprof/types.h"

enum frame_kind {
	FRAME_PYTHON, /* function = qualname, file = co_filename, line = 0 when unknown */
	FRAME_NATIVE, /* function = symbol or 0xSTART, file = name of the library or program */
	FRAME_KERNEL, /* function = symbol or 0xADDRESS */
	FRAME_LOSS, /* [unknown: REASON] or [truncated: REASON]; `loss` */
	FRAME_MARK, /* no code either, and nothing is lost: [unmerged], [greenlet]; `mark` */
	FRAME_KIND_CNT
};

enum frame_mark {
	MARK_UNMERGED, /* the Python frames inside of it belong somewhere among the native ones outside of it */
	MARK_GREENLET, /* what is outward of it on the C stack belongs to another greenlet, and was left out */
	MARK_CNT
};

struct frame {
	u8 kind; /* enum frame_kind */
	union {
		u8 loss; /* enum loss, of FRAME_LOSS */
		u8 mark; /* enum frame_mark, of FRAME_MARK */
	};
	bool named; /* function and file are meant */
	u32 function, file; /* string ids */
	u32 line;
	/*
	 * Python: the expression of `line` that is executed, where it is known (line_table.h): columns from 0 in bytes, the
	 * second behind its end. end_line 0: not known. text: string id of its source, STRING_EMPTY: not asked for, not to be had.
	 */
	u32 end_line;
	u16 column, end_column;
	union {
		u32 text; /* Python */
		u32 file_id; /* native, kernel: which file `file` is the name of, in the file_table; FILE_NONE: not known */
	};
	/* what it is, before it has a name: the key */
	u32 scope; /* native: id of the mapped_file; Python: process key; kernel: 0 */
	u64 address; /* native: vaddr in the file; kernel: address; Python: code object */
	u64 detail; /* Python: signature << 32 | instr; else 0 */
};

struct frame_table;

int frame_table_new(struct frame_table **ret);
void frame_table_free(struct frame_table *table);
DEFINE_CLEANUP(frame_table, struct frame_table *, frame_table_free)

/* Finds by (kind, scope, address, detail, loss) or adds a copy. *ret_new (may be NULL) says which. -ENOSPC at the bound. */
int frame_table_intern(struct frame_table *table, const struct frame *key, u32 *ret, bool *ret_new);
/* A frame that is a loss. */
int frame_table_loss(struct frame_table *table, enum loss loss, u32 *ret);
/* A frame that is a mark. */
int frame_table_mark(struct frame_table *table, enum frame_mark mark, u32 *ret);
/* Valid until the next intern. */
struct frame *frame_table_at(struct frame_table *table, u32 id);
const struct frame *frame_table_get(const struct frame_table *table, u32 id);
u32 frame_table_cnt(const struct frame_table *table);
size_t frame_table_bytes(const struct frame_table *table);

#endif
