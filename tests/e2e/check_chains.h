/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * check_chains.h - is a whole native stack one that the program can have? The
 * program says which (tests/workloads/chains.h); everything that it does not say
 * is wrong. Pure, like check.h; tests/unit/test_check_chains.c shows that it can fail.
 */
#ifndef PYPROF_TESTS_CHECK_CHAINS_H
#define PYPROF_TESTS_CHECK_CHAINS_H

#include "tests/e2e/check.h"

struct chain_pair {
	u32 caller, callee; /* index in chains.names, or one of the below */
	u32 min, max; /* frames of others between them */
	u64 seen; /* samples, counted by check_chains() */
};

enum { CHAIN_NOBODY = 0xfffffffd, CHAIN_OUTSIDE, CHAIN_ANYWHERE };

struct chains {
	char **names; /* sorted */
	size_t name_cnt;
	struct chain_pair *pairs;
	size_t pair_cnt;
	char *text;
};

const char *chains_parse(const char *text, struct chains *ret);
void chains_free(struct chains *chains);
/* Is the frame one of the program's functions? */
bool chains_know(const struct chains *chains, const char *frame);

struct chain_verdict {
	u64 samples;
	u64 right; /* from the thread's start to the end, and nothing else */
	u64 incomplete; /* say themselves that something is missing */
	u64 wrong; /* the rest: they claim to be whole, and are not what can be */
	u64 others; /* right ones that end in a frame of others (libc, a stub) */
	size_t unseen; /* pairs that no right sample had; those of leaves do not count */
	char first_incomplete[4096], first_wrong[4096];
	char first_unseen[200];
};

/* Adds to the pairs' counts. */
struct chain_verdict check_chains(const struct folded *folded, struct chains *chains);

/*
 * The symbols of a file, from `nm -n`, for a stripped copy of it: gives the
 * frames `0xADDRESS (FILE)` in folded their names, without `.cold`. The frames
 * then point into symbols.
 */
struct symbols {
	struct named_address {
		u64 address;
		char *frame;
	} * at;
	size_t cnt;
};

const char *symbols_parse(const char *text, const char *file, struct symbols *ret);
void symbols_free(struct symbols *symbols);
void symbols_apply(const struct symbols *symbols, const char *file, struct folded *folded);

#endif
