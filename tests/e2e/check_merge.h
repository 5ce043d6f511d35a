/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * check_merge.h - are Python and native frames in the order in which they called
 * each other? Pure: text in, verdict out. tests/unit/test_check_merge.c shows that
 * each check can fail.
 *
 * The interpreter's own frames are those of files named python2*, python3*, libpython2* and libpython3*.
 */
#ifndef PYPROF_TESTS_CHECK_MERGE_H
#define PYPROF_TESTS_CHECK_MERGE_H

#include "tests/e2e/check.h"

/* What tests/workloads/orders.py wrote, which explains the format. */
struct orders;

const char *orders_parse(const char *text, struct orders **ret);
void orders_free(struct orders *orders);

/* --native, and how much between two Python frames is known. */
enum native_shown {
	SHOWN_NONE,
	SHOWN_EXTENSIONS,
	SHOWN_ALL,
	SHOWN_ALL_LOOSELY, /* all, where each Python frame may have a C frame of its own: -X perf, a JIT */
};

struct merge_verdict {
	u64 samples;
	u64 in_order; /* whole, and exactly one of the true orders */
	u64 unmerged; /* says so, and its Python frames by themselves are true */
	u64 incomplete; /* has an [unknown] or [truncated] frame */
	u64 without_python; /* no Python frame at all: while a greenlet switches there is none */
	u64 impossible;
	u64 deep; /* in order, and with at least 5 places where C called Python */
	char first_impossible[1200];
	char first_incomplete[1200];
};

struct merge_verdict check_order(const struct folded *folded, const struct orders *orders, enum native_shown shown);

/* A copy without native frames. *ret_split: samples that had some between two Python frames. */
struct folded folded_of_python(const struct folded *folded, u64 *ret_split);

/*
 * A thread's native frames as tests/e2e/gdb_stacks.py writes them, outermost first:
 * lines `SYMBOL<TAB>FILE`, `?` for what gdb does not know.
 */
struct native_stack {
	struct native_frame {
		char *symbol, *file;
	} * at;
	size_t cnt;
	char *text;
};

const char *native_stack_parse(const char *text, struct native_stack *ret);
void native_stack_free(struct native_stack *stack);

struct stack_verdict {
	u64 samples;
	u64 same; /* outward of the innermost eval loop just what gdb has, and each run right inside its eval loop */
	u64 whole; /* the same to the innermost frame */
	u64 named; /* frames of one such sample that have the same symbol on both sides */
	char first_other[2000];
};

/* Samples of one thread under --native all, against gdb's view of that thread. */
struct stack_verdict check_native_stack(const struct folded *folded, const struct native_stack *stack);

#endif
